"""Passwords: argon2id with the stated cost, the rules, and the same work for names that do not exist."""

import re
import statistics
import threading
import time

import argon2
import pytest
from access_site import CHEAP
from hypothesis import given
from hypothesis import strategies as st

from medcore.access.passwords import HashCost, Hasher, check_new_password, draw_one_time_password
from medcore.errors import BusyError, NewPasswordError

GOOD = "three quiet herons at dawn"


def test_the_stated_cost_is_the_cost():
    stored = Hasher().hash(GOOD)
    found = argon2.extract_parameters(stored)
    assert found.type is argon2.Type.ID
    assert (found.memory_cost, found.time_cost, found.parallelism) == (65536, 3, 4)
    assert (found.hash_len, found.salt_len) == (32, 16)
    assert argon2.PasswordHasher().verify(stored, GOOD)  # by the library alone


def test_a_hash_verifies_its_password_only_and_never_twice_the_same():
    hasher = Hasher(CHEAP)
    stored = hasher.hash(GOOD)
    assert hasher.verify(stored, GOOD)
    assert not hasher.verify(stored, GOOD + " ")
    assert not hasher.verify(stored, "")
    assert stored != hasher.hash(GOOD)
    assert GOOD not in stored


def test_spellings_of_one_sign_are_one_password():
    hasher = Hasher(CHEAP)
    assert hasher.verify(hasher.hash("cafe\u0301 with nine chairs"), "caf\u00e9 with nine chairs")


@pytest.mark.parametrize("stored", ["", None, "plain", "$argon2id$v=19$m=1024,t=1,p=1$broken", GOOD])
def test_a_hash_that_is_none_lets_nobody_in(stored):
    assert not Hasher(CHEAP).verify(stored, GOOD)


@pytest.mark.parametrize("password", ["\ud800" * 20, "x" * 1025, "x" * 5_000_000])
def test_what_cannot_be_a_password_is_wrong_and_not_an_error(password):
    hasher = Hasher(CHEAP)
    assert not hasher.verify(hasher.hash(GOOD), password)
    assert not hasher.verify(hasher.hash(""), password)


def test_a_hash_of_another_cost_is_outdated_but_counts():
    old, new = Hasher(CHEAP), Hasher(HashCost(memory_kib=2048, passes=1, lanes=1))
    stored = old.hash(GOOD)
    assert new.verify(stored, GOOD)
    assert new.is_outdated(stored)
    assert not old.is_outdated(stored)


def test_unknown_user_takes_the_time_of_a_wrong_password():
    hasher = Hasher(HashCost(memory_kib=16384, passes=2, lanes=1))
    stored = hasher.hash(GOOD)
    seconds = {"known": [], "unknown": []}
    for _ in range(9):  # in turns, so that a busy machine slows both
        for name, value in (("known", stored), ("unknown", None)):
            start = time.perf_counter()
            assert not hasher.verify(value, "three loud herons at dawn")
            seconds[name].append(time.perf_counter() - start)
    known, unknown = (statistics.median(seconds[name]) for name in ("known", "unknown"))
    assert 0.5 < unknown / known < 2.0


def test_only_so_many_hashes_at_a_time():
    hasher = Hasher(CHEAP, slots=1, patience_s=0.05)
    taken, done = threading.Event(), threading.Event()

    def hold():
        with hasher.slot():
            taken.set()
            done.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(5)
    with pytest.raises(BusyError, match="try again"), hasher.slot():
        pass
    done.set()
    holder.join()
    with hasher.slot():
        pass


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct horse battery staple",
        "vier blaue Kähne im Nebel",
        "五つの静かな青い鳥が朝に飛ぶ",
        "🐢🐙🦉🐝🦔🐳🦜🐌🦋🐞🦕🐊",
        "kq7-vzx-81m-pfo",
        "83917420561738",
        "a welcome to the old ward",
    ],
)
def test_good_passwords_are_taken_without_rules_of_composition(password):
    check_new_password(password, "ada")


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password2026!",
        "P@ssw0rd!!!!",
        "passwordpassword",
        "123456789012",
        "098765432109",
        "qwertyuiop12",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaa",
        "abcabcabcabcabc",
        "abcdefghijklmnop",
        "Welcome2026!!",
        "Summer2026!!!",
        "medcore-admin-1",
        "hospital2026!",
        "Administrator1",
        "letmein letmein",
        "iloveyou1234",
        "changeme-now",
        "            ",
        "grace.hopper1",
        "GRACE.HOPPER.2026",
    ],
)
def test_what_is_guessed_first_is_refused(password):
    with pytest.raises(NewPasswordError, match="guessed first") as caught:
        check_new_password(password, "Grace.Hopper")
    assert caught.value.value is None


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "too short"),
        ("kq7-vzx-81m", "too short"),
        ("ﬀﬀ kq7 v", "too short"),
        ("x1" * 600, "longer than 1024"),
        ("\ud800 three quiet herons", "cannot be stored"),
        (None, "cannot be stored"),
    ],
)
def test_what_cannot_be_a_password_is_refused(password, words):
    with pytest.raises(NewPasswordError, match=words):
        check_new_password(password, "ada")


def refuse(password, user_name):
    try:
        check_new_password(password, user_name)
    except NewPasswordError as error:
        return error
    return None


@given(password=st.text(max_size=60), user_name=st.text(max_size=20))
def test_a_refusal_never_repeats_the_password(password, user_name):
    refusal = refuse(password, user_name)
    if refusal is None:
        assert len(password) >= 4  # compatibility forms may become several characters
    else:
        assert refusal.value is None
        assert len(password) < 6 or password not in refusal.message


def test_one_time_passwords_are_strong_different_and_legible():
    drawn = {draw_one_time_password() for _ in range(200)}
    assert len(drawn) == 200
    for password in drawn:
        assert re.fullmatch(r"([A-HJKMNP-TV-Z2-9]{5}-){3}[A-HJKMNP-TV-Z2-9]{5}", password)
        assert not set(password) & set("IOL01U")
    assert len(set("".join(drawn)) - {"-"}) == 30
