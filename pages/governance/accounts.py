"""The administrator's page: who may come in, with which roles, and who is here now."""

from medcore.ui import accounts, guard, theme

theme.title("Accounts and sessions")
house = guard.open_house("accounts")
accounts.show(house)
