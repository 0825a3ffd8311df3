"""Why a model says what it says, and how far that explanation can be trusted."""
