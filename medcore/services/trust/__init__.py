"""Who gets in, what is kept of whom, what readers thought, and what an administrator decides for the site."""
