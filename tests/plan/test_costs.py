"""The rule of rent or buy, by itself."""

from __future__ import annotations

import pytest

from sessions_vtab.plan.costs import (
    ALONE,
    BESIDE,
    Account,
    allowance,
    believed,
    buys,
    surely_rented,
)


@pytest.mark.parametrize(
    ("spent", "coming", "pages", "bought"),
    [
        # Nothing was asked before: a key is a key, however short the list.
        (0, 1, 1, False),
        (0, 1, 100, False),
        # A handful of keys is no reason to read a short list.
        (2, 1, 1, False),
        (3, 1, 1, True),
        (4, 1, 3, False),
        (5, 1, 3, True),
        # A long one is read once the keys have cost as much, less what both ends take.
        (10, 1, 12, False),
        (11, 1, 12, True),
        (98, 1, 100, False),
        (99, 1, 100, True),
        # What is certain to be asked for counts.
        (0, 11, 12, False),
        (0, 12, 12, True),
    ],
)
def test_the_list_is_bought_when_keys_have_cost_as_much(spent, coming, pages, bought):
    assert buys(spent, coming, pages) is bought


@pytest.mark.parametrize(
    ("known", "bought", "pages"),
    [
        (None, 0, 3),
        (None, 2, 3),
        (None, 3, 4),
        (None, 40, 41),
        (12, 0, 12),
        (12, 12, 12),
        # It has grown since it was counted.
        (12, 13, 14),
        (1, 0, 1),
        (1, 2, 3),
    ],
)
def test_a_list_is_as_long_as_it_was_and_longer_than_what_was_read(known, bought, pages):
    assert believed(known, bought) == pages


@pytest.mark.parametrize(
    ("reads", "lists", "rented"),
    [
        # Nothing else has the rows.
        ((300,), (), True),
        ((1,) * 300, (), True),
        # A set of keys weighs a quarter of so many pages: of 16, where nobody knows how many.
        ((4,), (1,), True),
        ((5,), (1,), False),
        ((8,), (2,), True),
        ((9,), (2,), False),
        ((64,), (None,), True),
        ((65,), (None,), False),
        # The shortest list decides.
        ((64,), (100, None), True),
        ((64,), (100, 2), False),
        # Of reads one after another nobody knows how many are asked for beside each other.
        ((1, 1, 1), (1,), True),
        ((1, 1, 1, 1), (1,), False),
        ((1,) * 5, (None,), True),
        ((1,) * 6, (None,), False),
        ((3, 3), (None,), False),
        ((), (None,), True),
    ],
)
def test_few_keys_are_read_by_themselves_whatever_list_there_is(reads, lists, rented):
    assert surely_rented(reads, lists) is rented


def _spend(keys: int, pages: int, known: int | None, each: float = ALONE) -> tuple[float, int]:
    """What a statement pays that asks for so many keys of a list: for keys, and for pages.

    The first key is waited for; the others cost ``each``.
    """
    account, bought, rented = Account(), 0, 0.0
    for number in range(keys):
        cost = each if number else ALONE
        while bought < pages and account.buys(known, bought, cost):
            bought += 1
        if bought == pages:
            break
        account.pay(cost)
        rented += cost
    return rented, bought


def _cost_of_list(pages: int) -> int:
    """A list of more than three pages takes up to two requests more, from its far end."""
    return pages + (2 if pages > 3 else 0)


KEYS = (1, 2, 3, 4, 5, 6, 10, 20, 50, 100, 1_000)
LENGTHS = (1, 2, 3, 4, 5, 6, 12, 40, 100, 1_000)
BELIEFS = {
    "unknown": lambda pages: None,
    "known": lambda pages: pages,
}


@pytest.mark.parametrize("belief", BELIEFS)
@pytest.mark.parametrize("pages", LENGTHS)
def test_no_number_of_keys_costs_more_than_twice_the_better_way_and_three(pages, belief):
    # A list of one page that nothing is known of may be asked for two keys more.
    spare = 4 if (belief, pages) == ("unknown", 1) else 3
    for keys in KEYS:
        rented, bought = _spend(keys, pages, BELIEFS[belief](pages))

        paid = rented + (_cost_of_list(pages) if bought == pages else bought)
        assert paid <= 2 * min(keys, pages) + spare, keys


@pytest.mark.parametrize("pages", LENGTHS)
def test_keys_that_run_side_by_side_weigh_a_quarter(pages):
    for keys in KEYS:
        rented, bought = _spend(keys, pages, pages, BESIDE)

        weighed = ALONE + (keys - 1) * BESIDE
        paid = rented + (_cost_of_list(pages) if bought == pages else bought)
        assert paid <= 2 * min(weighed, pages) + 3, keys


@pytest.mark.parametrize("pages", LENGTHS)
@pytest.mark.parametrize("known", [1, 3, 12])
def test_a_list_that_is_longer_than_it_was_costs_no_more_than_that_and_the_belief(pages, known):
    """The list was short when it was counted: at most what was believed is bought in vain."""
    for keys in KEYS:
        rented, bought = _spend(keys, pages, known)

        paid = rented + (_cost_of_list(pages) if bought == pages else bought)
        assert paid <= 2 * min(keys, pages) + 3 + known, keys


@pytest.mark.parametrize("known", [12, 100, 1_000])
@pytest.mark.parametrize("pages", [1, 3])
def test_a_list_that_is_shorter_than_it_was_costs_no_more_than_what_was_believed(known, pages):
    rented, bought = _spend(10_000, pages, known)

    assert bought == pages
    assert rented <= allowance(known)


def test_nothing_is_bought_for_a_list_that_is_never_ended_without_keys_that_cost_as_much():
    """The adversary's list has no end: pages and keys alternate."""
    account, bought = Account(), 0
    for key in range(1, 200):
        while account.buys(None, bought, ALONE):
            bought += 1
        account.pay(ALONE)
        assert bought <= key


def test_a_dear_read_is_expected_again():
    """A fan-out that is filtered costs as much as one that is not."""
    account = Account()
    account.pay(20)

    assert account.buys(None, 0, ALONE)
    assert account.buys(20, 19, ALONE)


@pytest.mark.parametrize(
    ("keys", "known", "bought"),
    [(47, 12, False), (48, 12, False), (49, 12, True), (64, None, False), (65, None, True)],
)
def test_a_set_of_keys_is_weighed_as_a_whole(keys, known, bought):
    assert Account().buys(known, 0, keys * BESIDE, each=BESIDE) is bought


@pytest.mark.parametrize("pages", LENGTHS)
def test_a_set_of_lists_costs_no_more_than_twice_the_better_way_and_three(pages):
    """Nothing is known of the list that has all of them: the more they are, the more is read."""
    for keys in KEYS[1:]:
        bought = 0
        while bought < pages and Account().buys(None, bought, keys * ALONE):
            bought += 1

        paid = bought if bought == pages else bought + keys
        assert paid <= 2 * min(keys, pages) + 3, keys


@pytest.mark.parametrize(("spent", "left"), [(0, 11), (4, 7), (20, 0)])
def test_what_is_left_bounds_what_is_asked_for_ahead(spent, left):
    account = Account()
    account.pay(spent)

    assert account.left(12, 0) == left
