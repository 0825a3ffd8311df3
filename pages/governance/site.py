"""The site's page: what this house has settled, which models are in use, how long patients are kept, maintenance."""

from medcore.ui import guard, site, theme

theme.title("Site settings")
theme.dress("site")
house = guard.open_house("site")
site.show(house)
