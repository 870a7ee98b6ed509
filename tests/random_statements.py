"""Random SELECTs over ``sessions`` and ``events``, as Hypothesis strategies.

``queries`` for a test that makes them smaller where it fails, ``ask`` for as many as a run asks for.

::

    @given(queries())
    def test_any_query_answers_as_the_oracle(suite, query):
        query.check(suite)

Values are drawn from the hostile data set, so that conditions match something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sessions_vtab.contract.predicate import Value, literal
from sessions_vtab.testing.conformance import Suite
from sessions_vtab.testing.hostile import TEXTS
from sessions_vtab.testing.oracle import Comparison

Part: TypeAlias = tuple[str, tuple[Value, ...]]
"""A piece of SQL and the values of its parameters, in order."""

_TEXT_COLUMNS: Final = {
    "sessions": ("name", "session_id", "user_id", "display_name"),
    "events": ("name", "session_name", "session_id", "event_id", "author", "text"),
    "grouped": ("session_name", "session_id"),
    "last": ("name", "session_id", "user_id"),
}
_TIME_COLUMNS: Final = {
    "sessions": ("create_time", "update_time", "expire_time"),
    "events": ("timestamp",),
    "grouped": (),
    "last": ("create_time",),
}
_PATHS: Final = {
    "sessions": ("labels->>'env'", "labels->>'$.team'", "state->>'n'", "state->>'a.b'"),
    "events": ("content->>'role'", "content->>'$.parts[0].text'"),
    "grouped": (),
    "last": (),
}
_ITEMS: Final = {
    "sessions": "{sessions}",
    "events": "{events}",
    "grouped": (
        "(SELECT session_name, session_id, count(*) AS n FROM {events}"
        " GROUP BY session_name, session_id)"
    ),
    "last": (
        "(SELECT name, session_id, user_id, create_time FROM {sessions}"
        " WHERE user_id <> 'bob' ORDER BY name DESC LIMIT 3)"
    ),
}
"""What each is called in FROM: the tables, and queries into which conditions may move."""
_TABLES: Final = ("sessions", "sessions", "events", "events", "grouped", "last")
_SHORT: Final = tuple(text for text in TEXTS if text is not None and len(text) < 30)
_VALUES: Final[tuple[Value, ...]] = (
    *_SHORT,
    *("ann", "bob", "Ann", "7", "user", "agent", "hello", "prod", "odd", "e003"),
    *("s-a", "S-B", "s-000", "sessions/s-a", "sessions/1", "sessions/1/events/e003"),
    *(1, 7, 1.0, 2**63 - 1),
)
_INSTANTS: Final[tuple[Value, ...]] = (
    "2026-01-01",
    "2026-01-01T09:00:00Z",
    "2026-01-01T10:00:00+01:00",
    "2026-01-01 09:00:00.000001",
    "2026-01-01 09:00:00.123456789",
    "2024-02-29 12:00",
    "9999-01-01",
    1767258000,
    1767258000.5,
    "1767258000000",
)
_PATTERNS: Final = (
    *("%", "p%", "P%", "%a%", "s-0%", "_", "100%", "%\U0001f600%", "a", "2026-01-01%"),
    *("plain", "nobody", "pl%n", "p_ain", "s-%0", "agent", "a%t", "a_ent", ""),
)
_ESCAPED: Final = ("100!%", "100!%%", "p!lain", "pl!%n", "a!_ent")
_GLOBS: Final = ("*", "p*", "s-0*", "?", "[a-m]*", "*1", "2026-01-01*", "plain", "pl*n", "a?ent")
_ORDERING: Final = ("=", "<>", "<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True)
class Query:
    """A random statement and how its answer is judged.

    Attributes:
        sql: with placeholders for the tables.
        bindings: values of its parameters.
        compare: how the answers are compared.
        unlimited: the statement without its LIMIT.
    """

    sql: str
    bindings: tuple[Value, ...]
    compare: Comparison
    unlimited: str

    def check(self, suite: Suite) -> None:
        """Raises AssertionError if the answer is not the oracle's."""
        suite.compare(self.sql, self.bindings, self.compare, unlimited=self.unlimited)


def _operands(values: tuple[Value, ...]) -> st.SearchStrategy[Part]:
    """A value as a literal or as a parameter; NULL now and then."""

    def written(value: Value, bound: bool) -> Part:
        # A literal ends at NUL.
        if bound or (isinstance(value, str) and "\x00" in value):
            return "?", (value,)
        return literal(value), ()

    given = st.builds(written, st.sampled_from((*values, None)), st.booleans())
    return st.one_of(given, given, given, _native_values())


def _native_values() -> st.SearchStrategy[Part]:
    """A value of a native column, which brings an affinity of its own."""
    columns = st.sampled_from(("numbers.n", "numbers.r", "numbers.x", "moments.t", "people.age"))

    def written(column: str, place: int) -> Part:
        table, _, name = column.partition(".")
        return f"(SELECT {name} FROM {table} WHERE rowid = {place})", ()

    return st.builds(written, columns, st.integers(1, 8))


def _joined(separator: str, parts: list[Part]) -> Part:
    values = tuple(value for _, some in parts for value in some)
    return separator.join(text for text, _ in parts), values


@st.composite
def _simple(draw: st.DrawFn, table: str, alias: str) -> Part:
    """One condition on one column."""
    kind = draw(st.sampled_from(("text", "text", "time", "path")))
    columns = {"text": _TEXT_COLUMNS, "time": _TIME_COLUMNS, "path": _PATHS}[kind][table]
    if not columns:
        kind, columns = "text", _TEXT_COLUMNS[table]
    column = f"{alias}.{draw(st.sampled_from(columns))}"
    operands = _operands(_INSTANTS if kind == "time" else _VALUES)
    form = draw(st.sampled_from(("compare", "compare", "in", "between", "null", "is", "like")))
    match form:
        case "compare":
            op = draw(st.sampled_from(_ORDERING))
            collate = draw(st.sampled_from(("", "", "", " COLLATE NOCASE", " COLLATE BINARY")))
            text, values = draw(operands)
            return f"{column} {op} {text}{'' if kind == 'time' else collate}", values
        case "in":
            listed, values = _joined(", ", draw(st.lists(operands, max_size=4)))
            return f"{column} {draw(st.sampled_from(('IN', 'NOT IN')))} ({listed})", values
        case "between":
            (low, first), (high, second) = draw(operands), draw(operands)
            return f"{column} BETWEEN {low} AND {high}", (*first, *second)
        case "null":
            return f"{column} {draw(st.sampled_from(('IS NULL', 'IS NOT NULL')))}", ()
        case "is":
            text, values = draw(operands)
            return f"{column} {draw(st.sampled_from(('IS', 'IS NOT')))} {text}", values
        case _:
            return draw(_pattern(column))


@st.composite
def _pattern(draw: st.DrawFn, column: str) -> Part:
    op, patterns, escape = draw(
        st.sampled_from(
            (
                ("LIKE", _PATTERNS, ""),
                ("NOT LIKE", _PATTERNS, ""),
                ("LIKE", _ESCAPED, " ESCAPE '!'"),
                ("GLOB", _GLOBS, ""),
            )
        )
    )
    text, values = draw(_operands(patterns))
    return f"{column} {op} {text}{escape}", values


@st.composite
def _nested(draw: st.DrawFn, table: str, alias: str) -> Part:
    """A condition with a subquery, correlated or not."""
    inner = draw(st.sampled_from(_TABLES))
    text, values = draw(_simple(inner, "i"))
    item = f"{_ITEMS[inner]} i"
    forms = (
        "IN",
        "NOT IN",
        "EXISTS",
        "NOT EXISTS",
        "row",
        "grouped",
        "compound",
        "value",
        "scalar",
    )
    form = draw(
        st.sampled_from(forms if _TIME_COLUMNS[table] and _TIME_COLUMNS[inner] else forms[:-1])
    )
    query = f"SELECT i.session_id FROM {item} WHERE {text}"
    match form:
        case "scalar":
            column = draw(st.sampled_from(_TIME_COLUMNS[inner]))
            op = draw(st.sampled_from(("=", ">", "<=")))
            query = f"SELECT max(i.{column}) FROM {item} WHERE {text}"
            return f"{alias}.{_TIME_COLUMNS[table][0]} {op} ({query})", values
        case "value":
            # Only of a unique id is it determined which row that is.
            given, more = draw(_operands(_VALUES))
            column = draw(st.sampled_from(("user_id", "name", "session_id")))
            query = f"SELECT i.{column} FROM {{sessions}} i WHERE i.session_id = {alias}.session_id"
            return f"({query}) = {given}", more
        case "row":
            mine, its = (draw(st.sampled_from(_TEXT_COLUMNS[one])) for one in (table, inner))
            row = f"{alias}.session_id, {alias}.{mine}"
            how = draw(st.sampled_from(("IN", "NOT IN")))
            return f"({row}) {how} ({query.replace(' FROM', f', i.{its} FROM', 1)})", values
        case "grouped":
            return (
                f"{alias}.session_id IN ({query} GROUP BY i.session_id HAVING count(*) > 1)",
                values,
            )
        case "compound":
            op = draw(st.sampled_from(_COMPOUND))
            how = draw(st.sampled_from(("IN", "NOT IN")))
            return (
                f"{alias}.session_id {how} ({query} {op} SELECT session_id FROM {{events}})",
                values,
            )
        case "IN" | "NOT IN":
            return f"{alias}.session_id {form} ({query})", values
        case _:
            return f"{form} ({query} AND i.session_id = {alias}.session_id)", values


def _conditions(occurrences: tuple[tuple[str, str], ...]) -> st.SearchStrategy[Part]:
    """Conditions on tables given as name and alias, joined by AND, OR and NOT."""
    simple = st.one_of([_simple(table, alias) for table, alias in occurrences])
    nested = st.one_of([_nested(table, alias) for table, alias in occurrences])
    leaves = st.one_of(simple, simple, simple, nested)

    def combined(children: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
        several = st.lists(children, min_size=2, max_size=3)
        return st.one_of(
            several.map(lambda parts: _bracketed(_joined(" AND ", parts))),
            several.map(lambda parts: _bracketed(_joined(" OR ", parts))),
            children.map(lambda part: (f"NOT ({part[0]})", part[1])),
        )

    return st.recursive(leaves, combined, max_leaves=4)


def _bracketed(part: Part) -> Part:
    return f"({part[0]})", part[1]


@st.composite
def _sources(draw: st.DrawFn) -> tuple[Part, tuple[tuple[str, str], ...]]:
    """A FROM clause and its occurrences as table and alias."""
    first = (draw(st.sampled_from(_TABLES)), "a")
    if draw(st.integers(0, 2)):
        return (f"{_ITEMS[first[0]]} a", ()), (first,)
    second = (draw(st.sampled_from(_TABLES)), "b")
    how = draw(st.sampled_from(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")))
    key = draw(st.sampled_from(("session_id", "session_id", "natural", "time", "several")))
    link = "b.session_id = a.session_id"
    times = [_TIME_COLUMNS[one] for one, _ in (second, first)]
    if key == "time" and all(times):
        link = f"b.{times[0][0]} = a.{times[1][0]}"
    if key == "several":
        mine, its = (draw(st.sampled_from(_TEXT_COLUMNS[one])) for one in (second[0], first[0]))
        link = draw(
            st.sampled_from(
                (
                    f"b.session_id IN (a.session_id, a.{its}, 's-a')",
                    f"(b.session_id = a.session_id OR b.{mine} = a.{its})",
                    f"(b.{mine} = a.{its} OR b.{mine} = '1' OR 's-000' = b.session_id)",
                )
            )
        )
    items = [f"{_ITEMS[one]} {alias}" for one, alias in (first, second)]
    # The reference's own tables have other columns that both sides share.
    if key == "natural" and not {first[0], second[0]} <= {"sessions", "events"}:
        return (f" NATURAL {how} ".join(items), ()), (first, second)
    text = f"{items[0]} {how} {items[1]} ON {link}"
    values: tuple[Value, ...] = ()
    if draw(st.booleans()):
        table, alias = draw(st.sampled_from((first, second)))
        pattern = st.sampled_from(_TEXT_COLUMNS[table]).flatmap(
            lambda column: _pattern(f"{alias}.{column}")
        )
        more, values = draw(st.one_of(_simple(table, alias), pattern, _nested(table, alias)))
        text = f"{text} AND {more}"
    return (text, values), (first, second)


@st.composite
def _selects(draw: st.DrawFn) -> tuple[Part, int]:
    """A SELECT without ORDER BY, and how many columns it answers with."""
    (sources, values), occurrences = draw(_sources())
    where = draw(st.one_of(st.none(), _conditions(occurrences), _conditions(occurrences)))
    tail = ""
    if where is not None:
        tail, values = f" WHERE {where[0]}", (*values, *where[1])
    columns = [
        f"{alias}.{column}"
        for table, alias in occurrences
        for column in (*_TEXT_COLUMNS[table], *_TIME_COLUMNS[table])
    ]
    chosen = draw(st.lists(st.sampled_from(columns), min_size=2, max_size=2, unique=True))
    form = draw(st.sampled_from(("plain", "plain", "plain", "distinct", "group", "count", "ends")))
    listed = ", ".join(chosen)
    match form:
        case "group":
            having = draw(st.sampled_from(("", " HAVING count(*) > 1")))
            text = f"SELECT {listed}, count(*), max({chosen[0]}) FROM {sources}{tail}"
            return (f"{text} GROUP BY {listed}{having}", values), 4
        case "count":
            text = f"SELECT count(*), min({chosen[0]}), count(DISTINCT {chosen[1]})"
            return (f"{text} FROM {sources}{tail}", values), 3
        case "ends":
            text = f"SELECT max({chosen[0]}), min({chosen[0]}), min({chosen[1]})"
            return (f"{text} FROM {sources}{tail}", values), 3
        case _:
            distinct = "DISTINCT " if form == "distinct" else ""
            return (f"SELECT {distinct}{listed} FROM {sources}{tail}", values), 2


@st.composite
def _keys(draw: st.DrawFn) -> Part:
    """A query of session ids and another text, of one table or a compound of two."""
    parts: list[Part] = []
    for _ in range(draw(st.integers(1, 2))):
        table = draw(st.sampled_from(_TABLES))
        other = draw(st.sampled_from(_TEXT_COLUMNS[table]))
        text, values = draw(_simple(table, "i"))
        grouped = draw(st.sampled_from(("", "", " GROUP BY 1, 2")))
        query = f"SELECT i.session_id AS k, i.{other} AS v FROM {_ITEMS[table]} i WHERE {text}"
        parts.append((f"{query}{grouped}", values))
    return _joined(f" {draw(st.sampled_from(_COMPOUND))} ", parts)


@st.composite
def _of_common(draw: st.DrawFn) -> tuple[Part, int]:
    """A SELECT that names a common table expression once, twice or after IN."""
    body, values = draw(_keys())
    kind = draw(st.sampled_from(("", "", "MATERIALIZED ", "NOT MATERIALIZED ")))
    how = draw(st.sampled_from(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")))
    table = draw(st.sampled_from(_TABLES))
    where, more = draw(_conditions(((table, "a"),)))
    beside = draw(st.sampled_from(("IN", "NOT IN")))
    form = draw(st.sampled_from(("IN name", "one", "two", "EXISTS")))
    head = f"WITH c(k, v) AS {kind}({body})"
    item = f"{_ITEMS[table]} a"
    match form:
        case "IN name":
            head = f"WITH c(k) AS {kind}(SELECT k FROM ({body}))"
            text = f"SELECT a.session_id, a.session_id IN c FROM {item}"
            text = f"{text} WHERE {where} AND a.session_id {beside} c"
        case "one":
            text = f"SELECT a.session_id, c.v FROM {item} {how} c ON c.k = a.session_id"
            text = f"{text} WHERE {where}"
        case "two":
            text = f"SELECT x.k, y.v FROM {item} JOIN c x ON x.k = a.session_id"
            text = f"{text} {how} c y ON y.k = x.k WHERE {where}"
        case _:
            text = f"SELECT a.session_id, (SELECT max(v) FROM c WHERE k = a.session_id) FROM {item}"
            negated = "" if beside == "IN" else "NOT "
            where = f"{where} AND {negated}EXISTS (SELECT 1 FROM c WHERE c.k = a.session_id)"
            text = f"{text} WHERE {where}"
    return (f"{head} {text}", (*values, *more)), 2


_COMPOUND: Final = ("UNION", "UNION ALL", "INTERSECT", "EXCEPT")


@st.composite
def _wrapped(draw: st.DrawFn) -> tuple[Part, int]:
    """A SELECT, or one inside a compound, a subquery or a CTE."""
    form = draw(
        st.sampled_from(("plain", "plain", "plain", "subquery", "cte", "common", "compound"))
    )
    if form == "common":
        return draw(_of_common())
    (text, values), width = draw(_selects())
    match form:
        case "subquery":
            return (f"SELECT * FROM ({text})", values), width
        case "cte":
            kind = draw(st.sampled_from(("", "MATERIALIZED ", "NOT MATERIALIZED ")))
            return (f"WITH c AS {kind}({text}) SELECT * FROM c", values), width
        case "compound":
            for _ in range(draw(st.integers(1, 2))):
                (other, more), other_width = draw(_selects())
                if other_width == width:
                    op = draw(st.sampled_from(_COMPOUND))
                    text, values = f"{text} {op} {other}", (*values, *more)
    return (text, values), width


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Statements whose answer is determined as far as their comparison asks."""
    (text, values), width = draw(_wrapped())
    unlimited, compare = text, Comparison.MULTISET
    if draw(st.booleans()):
        directions = draw(st.lists(st.sampled_from(("", " DESC")), min_size=width, max_size=width))
        terms = [f"{place}{way}" for place, way in enumerate(directions, 1)]
        if draw(st.integers(0, 3)) == 0:
            # A column that is named again sorts nothing more, in either direction.
            again = draw(st.integers(0, width - 1))
            terms.insert(draw(st.integers(again + 1, width)), f"{again + 1} DESC")
        text = f"{text} ORDER BY {', '.join(terms)}"
        compare = Comparison.SEQUENCE
    if draw(st.integers(0, 2)) == 0:
        limit, offset = draw(st.integers(-1, 12)), draw(st.integers(-1, 6))
        text = f"{text} LIMIT {limit} OFFSET {offset}"
        compare = Comparison.SUBSET if compare is Comparison.MULTISET else compare
    # Both statements are run with the same parameters: LIMIT has none.
    return Query(text, values, compare, unlimited)


def ask(count: int, seed: int, check: Callable[[Query], None]) -> None:
    """Gives so many statements to a check, without making them smaller where it fails."""

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        derandomize=False,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(query=queries())
    def each(query: Query) -> None:
        check(query)

    each()
