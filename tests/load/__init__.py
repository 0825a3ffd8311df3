"""Load test of the dashboard: many sessions with think time over real websockets. Run by hand, not by pytest."""
