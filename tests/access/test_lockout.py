"""Guessing: each attempt beyond the free ones waits longer, also with many at once and from many processes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from access_site import TurnedClock
from hypothesis import given
from hypothesis import strategies as st

from medcore.access.lockout import ADDRESS, NAME, BackOff, LockOut
from medcore.access.store import JournalStore
from medcore.errors import LockedOutError, SignInError

PASSWORD = "three quiet herons at dawn"


@pytest.fixture
def lock_out(tmp_path):
    with JournalStore(tmp_path) as store:
        clock = TurnedClock()
        made = LockOut(store, clock)
        made.clock = clock
        yield made


def count_until_locked(lock_out, name="ada", address=""):
    number = 0
    while number < 1000:
        try:
            lock_out.count(name, address)
        except LockedOutError as error:
            return number, error.value
        number += 1
    raise AssertionError("never locked")


def test_waits_double_up_to_a_quarter_of_an_hour(lock_out):
    assert count_until_locked(lock_out) == (5, 30)
    waits = []
    for _ in range(8):
        _, wait_s = count_until_locked(lock_out)
        lock_out.clock.turn(wait_s)
        lock_out.count("ada")
        waits.append(wait_s)
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


@given(count=st.integers(min_value=0, max_value=10**9))
def test_a_wait_never_shrinks_and_has_an_end(count):
    for back_off in (NAME, ADDRESS):
        assert 0 <= back_off.wait_s(count) <= back_off.wait_s(count + 1) <= back_off.longest_s


def test_a_day_of_guessing_one_name_is_few_attempts(lock_out):
    attempts, end_s = 0, lock_out.clock.now_s + 24 * 3600
    while lock_out.clock.now_s < end_s:
        number, wait_s = count_until_locked(lock_out)
        attempts += number
        lock_out.clock.turn(wait_s)
    assert attempts <= 110


def test_the_right_password_waits_too_and_then_opens(site):
    site.add("ada")
    for _ in range(5):
        with pytest.raises(SignInError):
            site.accounts.sign_in("ada", "wrong")
    with pytest.raises(LockedOutError, match=r"Wait 30 seconds") as caught:
        site.accounts.sign_in("ada", PASSWORD)
    assert caught.value.value == 30
    site.clock.turn(29)
    with pytest.raises(LockedOutError, match="1 seconds"):
        site.accounts.sign_in("ada", PASSWORD)
    site.clock.turn(1)
    assert site.accounts.sign_in("ada", PASSWORD).name == "ada"
    for _ in range(4):  # counted from the beginning again
        with pytest.raises(SignInError):
            site.accounts.sign_in("ada", "wrong")
    assert site.accounts.sign_in("ada", PASSWORD)


def test_a_name_nobody_has_is_locked_like_others(site):
    site.add("ada")
    found = {}
    for name in ("ada", "nobody there"):
        found[name] = []
        for _ in range(7):
            with pytest.raises(SignInError) as caught:
                site.accounts.sign_in(name, "wrong")
            found[name].append((type(caught.value), caught.value.message))
    assert found["ada"] == found["nobody there"]
    assert ("unknown", "sign-in", "locked-out") in site.events()


def test_spellings_of_a_name_share_one_count(site):
    for name in ("ada", "ADA", "Ada", "ａｄａ", " ada "):
        with pytest.raises(SignInError):
            site.accounts.sign_in(name, "wrong")
    with pytest.raises(LockedOutError):
        site.accounts.sign_in("ada", "wrong")


def test_an_address_that_tries_many_names_is_slowed(lock_out):
    for number in range(30):
        lock_out.count(f"name {number}", "203.0.113.9")
    with pytest.raises(LockedOutError, match="1 minute "):
        lock_out.count("another", "203.0.113.9")
    lock_out.count("another", "203.0.113.10")


def test_addresses_of_one_ipv6_network_are_one(lock_out):
    for number in range(30):
        lock_out.count(f"name {number}", f"2001:db8::{number:x}")
    with pytest.raises(LockedOutError):
        lock_out.count("another", "2001:db8::ffff:1")
    with pytest.raises(LockedOutError):
        lock_out.count("another", "2001:db8::1%eth0")
    lock_out.count("another", "2001:db8:0:1::1")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", "::ffff:127.0.0.1", "not an address", "127.0.0.9"])
def test_the_machine_itself_is_not_counted(lock_out, address):
    for number in range(40):
        lock_out.count(f"name {number}", address)


def test_an_own_account_does_not_wash_an_address_clean(lock_out):
    attempts = 0
    for number in range(200):
        try:
            lock_out.count(f"victim {number}", "203.0.113.9")
            attempts += 1
            lock_out.count("mine", "203.0.113.9")
            lock_out.forgive("mine", "203.0.113.9")
        except LockedOutError:
            break
    assert attempts <= ADDRESS.free


def test_counts_are_forgotten_after_a_day(lock_out):
    count_until_locked(lock_out)
    lock_out.clock.turn(24 * 3600 + 1)
    assert count_until_locked(lock_out)[0] == 5


def test_a_clock_set_back_makes_no_wait_longer(lock_out):
    count_until_locked(lock_out)
    lock_out.clock.turn(-10 * 24 * 3600)
    assert count_until_locked(lock_out) == (0, 30)


def test_many_at_once_are_no_way_around(lock_out):
    def attempt(_):
        try:
            lock_out.count("ada", "203.0.113.9")
        except LockedOutError:
            return 0
        return 1

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(200))) == 5


GUESS = """
import sys
from pathlib import Path
from medcore.access.lockout import LockOut
from medcore.access.store import JournalStore
from medcore.errors import LockedOutError
lock_out, through = LockOut(JournalStore(Path(sys.argv[1])), lambda: 1_800_000_000.0), 0
for _ in range(100):
    try:
        lock_out.count("ada")
        through += 1
    except LockedOutError:
        pass
print(through)
"""


def test_many_processes_are_no_way_around(tmp_path):
    started = [
        subprocess.Popen([sys.executable, "-c", GUESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sum(int(process.communicate(timeout=60)[0]) for process in started) == 5


def test_back_off_may_be_set(tmp_path):
    with JournalStore(tmp_path) as store:
        strict = LockOut(store, TurnedClock(), name=BackOff(free=1, first_s=5, longest_s=5))
        assert count_until_locked(strict) == (1, 5)


def test_a_brute_force_ends_after_five_guesses(site):
    site.add("ada")
    answers = []
    for number in range(50):
        with pytest.raises(SignInError) as caught:
            site.accounts.sign_in("ada", f"guess {number}", address="203.0.113.9")
        answers.append(type(caught.value))
    assert answers == [SignInError] * 5 + [LockedOutError] * 45
