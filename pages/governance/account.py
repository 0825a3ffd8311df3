"""Everybody's own page: who one is here, the password, open sessions, signing out."""

from medcore.ui import account, guard, theme

theme.title("Your account")
house = guard.open_house("account")
account.show(house)
