"""Conditions as filter text: a table, and a check against the service's own grammar."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_vtab.backends.vertex.filters import (
    FLOOR,
    Feature,
    Text,
    TimeBounds,
    bounds,
    compose,
    quote,
    timestamp_filter,
    with_users,
)
from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import (
    BINARY,
    NOTHING,
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Null,
    Op,
)
from sessions_vtab.emulator.vertex.listing import session_filter

ALL = frozenset(Feature)
USER, NAME = Field("user_id"), Field("display_name")


def label(key):
    return Field("labels", key)


def eq(field, value):
    return Compare(field, Op.EQ, value)


def ne(field, value):
    return Compare(field, Op.NE, value)


GOLDEN = [
    # The documented grammar.
    ([], ""),
    ([eq(USER, "a")], 'user_id="a"'),
    ([eq(USER, 5)], 'user_id="5"'),
    ([eq(NAME, "b c")], 'display_name="b c"'),
    ([eq(label("env"), "prod")], 'labels.env="prod"'),
    ([eq(USER, "a"), eq(NAME, "b")], 'user_id="a" AND display_name="b"'),
    ([AllOf((eq(USER, "a"), eq(NAME, "b")))], '(user_id="a" AND display_name="b")'),
    # Escapes.
    ([eq(USER, 'a"b')], 'user_id="a\\"b"'),
    ([eq(USER, "a\\b")], 'user_id="a\\\\b"'),
    ([eq(USER, '\\"')], 'user_id="\\\\\\""'),
    ([eq(USER, "it's % / .. 🙂")], 'user_id="it\'s % / .. 🙂"'),
    ([eq(USER, '" OR user_id!="')], 'user_id="\\" OR user_id!=\\""'),
    # OR is always in parentheses: it binds tighter than AND.
    ([AnyOf((eq(USER, "a"), eq(NAME, "b")))], '(user_id="a" OR display_name="b")'),
    (
        [AnyOf((eq(USER, "a"), eq(NAME, "b"))), eq(label("e"), "c")],
        '(user_id="a" OR display_name="b") AND labels.e="c"',
    ),
    (
        [AnyOf((AllOf((eq(USER, "a"), eq(NAME, "b"))), eq(label("e"), "c")))],
        '((user_id="a" AND display_name="b") OR labels.e="c")',
    ),
    ([Member(USER, ("a", "b"))], '(user_id="a" OR user_id="b")'),
    ([Member(USER, ("a",))], 'user_id="a"'),
    ([Member(USER, ("a", "b"), True)], '(user_id!="a" AND user_id!="b")'),
    ([ne(USER, "a")], 'user_id!="a"'),
    # Negation is pushed inward.
    ([Not(eq(USER, "a"))], 'user_id!="a"'),
    ([Not(ne(USER, "a"))], 'user_id="a"'),
    ([Not(Not(eq(USER, "a")))], 'user_id="a"'),
    ([Not(AnyOf((eq(USER, "a"), eq(NAME, "b"))))], '(user_id!="a" AND display_name!="b")'),
    ([Not(AllOf((eq(USER, "a"), eq(NAME, "b"))))], '(user_id!="a" OR display_name!="b")'),
    ([Not(Member(USER, ("a", "b"), True))], '(user_id="a" OR user_id="b")'),
    # Presence, only for labels: elsewhere the service does not distinguish '' from absent.
    ([Null(label("env"), True)], "labels.env:*"),
    ([Null(label("env"))], "NOT labels.env:*"),
    ([Not(Null(label("env")))], "labels.env:*"),
    ([Null(NAME)], ""),
    ([Null(NAME, True)], ""),
    # Keys that are not plain words are quoted.
    ([eq(label("my-key"), "v")], 'labels."my-key"="v"'),
    ([eq(label("größe"), "v")], 'labels."größe"="v"'),
    ([eq(label("1"), "v")], 'labels."1"="v"'),
    # What cannot be expressed does not narrow the list.
    ([eq(label('k"=""'), "v")], ""),
    ([eq(label("a.b"), "v")], ""),
    ([eq(label(""), "v")], ""),
    ([eq(USER, "a\nb")], ""),
    ([eq(USER, "a\x00b")], ""),
    ([eq(USER, 1.5)], ""),
    ([eq(USER, b"a")], ""),
    ([eq(label("env"), 5)], ""),
    ([eq(Field("state", "a"), "v")], ""),
    ([eq(Field("labels"), "{}")], ""),
    ([Compare(USER, Op.LIKE, "a%")], ""),
    ([Compare(USER, Op.GT, "a")], ""),
    ([NOTHING], ""),
    ([eq(USER, "a"), Compare(USER, Op.LIKE, "a%")], 'user_id="a"'),
    ([AnyOf((eq(USER, "a"), Compare(USER, Op.LIKE, "b%")))], ""),
    (
        [AnyOf((AllOf((eq(USER, "a"), Compare(USER, Op.LIKE, "b%"))), eq(NAME, "c")))],
        '(user_id="a" OR display_name="c")',
    ),
    ([Not(AllOf((eq(USER, "a"), Compare(USER, Op.LIKE, "b%"))))], ""),
    # * is a wildcard, which widens = but would narrow !=.
    ([eq(USER, "a*")], 'user_id="a*"'),
    ([ne(USER, "a*")], ""),
    ([Member(USER, ("a*", "b"), True)], 'user_id!="b"'),
    ([Member(USER, tuple(map(str, range(31))))], ""),
]


@pytest.mark.parametrize(("terms", "text"), GOLDEN)
def test_conditions_as_text(terms, text):
    assert compose(terms, ALL).text == text


@pytest.mark.parametrize(("terms", "text"), GOLDEN)
def test_the_documented_grammar_has_only_equality_and_and(terms, text):
    floor = compose(terms, FLOOR)
    assert floor.features == FLOOR
    for word in (" OR ", "!=", ":*", "NOT ", '."'):
        assert word not in floor.text.replace(quote('" OR user_id!="'), "")


@pytest.mark.parametrize(
    ("condition", "features"),
    [
        (eq(USER, "a"), set()),
        (ne(USER, "a"), {Feature.NOT_EQUAL}),
        (Member(USER, ("a", "b")), {Feature.OR}),
        (Null(label("a")), {Feature.PRESENCE, Feature.NOT}),
        (eq(label("a-b"), "c"), {Feature.QUOTED_KEY}),
        (AnyOf((ne(USER, "a"), eq(NAME, "b"))), {Feature.OR, Feature.NOT_EQUAL}),
    ],
)
def test_a_filter_text_lists_the_features_it_needs(condition, features):
    assert compose([condition], ALL).features == features
    for feature in features:
        assert compose([condition], ALL - {feature}).text == ""


@pytest.mark.parametrize(
    ("raw", "ours", "text"),
    [
        ("", "", ""),
        ("", 'user_id="a"', 'user_id="a"'),
        ('a="b" OR c="d"', "", 'a="b" OR c="d"'),
        ('a="b" OR c="d"', 'user_id="a"', '(a="b" OR c="d") AND user_id="a"'),
    ],
)
def test_the_user_s_filter_text_is_joined_with_the_composed_one(raw, ours, text):
    assert with_users(raw, Text(ours), ALL).text == text


def test_without_parentheses_only_the_user_s_filter_is_sent():
    assert with_users('a="b"', Text('user_id="a"'), FLOOR) == Text('a="b"')


def at(op, value, collation=TIMESTAMP):
    return Compare(Field("timestamp"), op, value, collation)


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ([], ""),
        ([at(Op.GE, "2026-01-01")], 'timestamp>="2026-01-01T00:00:00Z"'),
        (
            [at(Op.GT, "2026-01-01T01:00:00.123456789+01:00")],
            'timestamp>="2026-01-01T00:00:00.123456789Z"',
        ),
        ([at(Op.LT, 1767225600)], 'timestamp<="2026-01-01T00:00:00Z"'),
        (
            [at(Op.EQ, "2026-01-01")],
            'timestamp>="2026-01-01T00:00:00Z" AND timestamp<="2026-01-01T00:00:00Z"',
        ),
        (
            [at(Op.GE, "2026-01-01"), at(Op.GE, "2026-02-01"), at(Op.LE, "2026-03-01")],
            'timestamp>="2026-02-01T00:00:00Z" AND timestamp<="2026-03-01T00:00:00Z"',
        ),
        ([at(Op.GE, "yesterday")], ""),
        ([at(Op.GE, "2026-01-01", BINARY)], ""),
        ([at(Op.NE, "2026-01-01")], ""),
        (
            [at(Op.EQ, "2026-01-01", BINARY)],
            'timestamp>="2026-01-01T00:00:00Z" AND timestamp<="2026-01-01T00:00:00Z"',
        ),
    ],
)
def test_time_ranges_as_text(terms, text):
    assert timestamp_filter(bounds(terms, "timestamp")).text == text


def test_bounds_are_false_only_without_any_bound():
    assert not TimeBounds()
    assert TimeBounds(low=0)


# Against the service's grammar

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(
    ["ann", '"', "\\", "'", "%", "/", "..", "\n", "🙂", '" OR user_id!="', "a*b", ""]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=texts)
def test_no_value_becomes_another_query(sources, value):
    """The session of a hostile user is found, and no other user's."""
    vertex = sources()
    rows = vertex.rows("sessions", "list", eq(USER, value), columns=("user_id",), limit=400)
    if any(ord(c) < 32 for c in value):
        assert vertex.filters() == [""] * len(vertex.requests())
    elif "*" not in value:
        assert {row.user_id for row in rows} <= {value}
        assert [entry["path"].rpartition("/")[2] for entry in vertex.requests()] == ["sessions"]
    vertex.client.close()


sessions_ = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from("abc"),
        "display_name": st.sampled_from(["a", "b", None]),
        "k": st.sampled_from(["a", "b", None]),
    }
)
atoms = st.one_of(
    st.builds(
        Compare,
        st.sampled_from([USER, NAME, label("k")]),
        st.sampled_from([Op.EQ, Op.NE, Op.LIKE]),
        st.sampled_from(["a", "b", "*"]),
    ),
    st.builds(
        Member,
        st.sampled_from([USER, NAME, label("k")]),
        st.lists(st.sampled_from("ab"), min_size=1, max_size=2).map(tuple),
        st.booleans(),
    ),
    st.builds(Null, st.just(label("k")), st.booleans()),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda terms: AllOf(tuple(terms))),
        st.lists(inner, min_size=1, max_size=3).map(lambda terms: AnyOf(tuple(terms))),
        inner.map(Not),
    ),
    max_leaves=6,
)


def truth(condition, row):  # noqa: C901  # One case a kind of condition.
    """Evaluates with SQL's three values: True, False, None."""

    def value(field):
        return row["k" if field.column == "labels" else field.column]

    def either(values):
        return True if True in values else (None if None in values else False)

    def negate(known):
        return None if known is None else not known

    match condition:
        case Compare(field, op, operand):
            if value(field) is None:
                return None
            return {
                Op.EQ: value(field) == operand,
                Op.NE: value(field) != operand,
                Op.LIKE: value(field) == operand,
            }[op]
        case Member(field, operands, negated):
            found = either([truth(eq(field, operand), row) for operand in operands])
            return negate(found) if negated else found
        case Null(field, negated):
            return (value(field) is None) != negated
        case Not(term):
            return negate(truth(term, row))
        case AnyOf(terms):
            return either([truth(term, row) for term in terms])
        case AllOf(terms):
            return negate(either([negate(truth(term, row)) for term in terms]))


@settings(max_examples=400, deadline=None)
@given(condition=conditions, row=sessions_, features=st.sets(st.sampled_from(list(Feature))))
def test_the_filter_never_excludes_a_row_that_sql_keeps(condition, row, features):
    stored = SimpleNamespace(
        user=SimpleNamespace(id=row["user_id"]),
        display_name=row["display_name"] or "",
        labels={} if row["k"] is None else {"k": row["k"]},
    )
    text = compose([condition], frozenset(features)).text
    # The emulator requires a blank before NOT, although the grammar does not.
    wanted = session_filter(text.replace("(NOT", "( NOT"), strict=False)
    kept = wanted.user_id in {None, row["user_id"]}
    if wanted.test is not None:
        kept = kept and wanted.test(stored)
    if truth(condition, row) is True:
        assert kept, text


def test_times_are_written_in_full():
    assert times.to_rfc3339(1) in timestamp_filter(TimeBounds(low=1)).text
