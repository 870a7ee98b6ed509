"""Random statements over two of our tables and a native one, with bindings.

Every statement is valid in SQLite or wrong in a way that native tables refuse too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

COLUMNS = ("name", "a", "b", "n", "flag", "labels")
NATIVE = ("name", "a", "n")
VALUES: tuple[object, ...] = (
    *("x", "X", "y", "z", "1", "01", "1.0", "", "x%", "k3", "u1"),
    *(0, 1, 2, 3, 1.0, 2.5, -1, None, None),
)
STRANGE: tuple[object, ...] = (b"x", float("inf"))
COMPARISONS = ("=", "==", "<>", "!=", "<", "<=", ">", ">=")
PATHS = ("->>'env'", "->>'$.env'", "->>'n'", "->>'$.\"a.b\"'", "->>'a.b'")


@dataclass
class Source:
    """One item of a FROM: how it is called and which columns it has."""

    label: str
    columns: tuple[str, ...]


@dataclass
class Writer:
    """Writes one statement."""

    rng: random.Random
    style: str = "?"
    bindings: list[object] = field(default_factory=list)
    names: dict[str, object] = field(default_factory=dict)
    labels: int = 0

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def chance(self, percent: int) -> bool:
        return self.rng.randrange(100) < percent

    def label(self) -> str:
        self.labels += 1
        return f"q{self.labels}"

    # Values

    def atom(self) -> str:
        value = self.rng.choice(VALUES)
        if self.chance(50):
            return self.literal(value)
        if self.chance(3):
            value = self.rng.choice(STRANGE)
        return self.parameter(value)

    def literal(self, value: object) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        return repr(value)

    def parameter(self, value: object) -> str:
        if self.style == "?":
            self.bindings.append(value)
            return "?"
        if self.style == "?N":
            if self.bindings and self.chance(25):
                return f"?{self.rng.randrange(len(self.bindings)) + 1}"
            self.bindings.append(value)
            return f"?{len(self.bindings)}"
        if self.names and self.chance(25):
            return self.rng.choice(list(self.names))
        name = self.pick(":", "@", "$") + f"p{len(self.names)}"
        self.names[name] = value
        return name

    @property
    def given(self) -> object:
        if self.style == "name":
            return {name[1:]: value for name, value in self.names.items()}
        return tuple(self.bindings)

    # Conditions

    def column(self, sources: list[Source]) -> str:
        source = self.rng.choice(sources)
        name = self.rng.choice(source.columns)
        if self.chance(30 if len(sources) == 1 else 2):
            return name
        return f"{source.label}.{name}"

    def operand(self, sources: list[Source]) -> str:
        if self.chance(25):
            source = self.rng.choice(sources)
            if "labels" in source.columns:
                column = f"{source.label}.labels"
                if self.chance(20):
                    return f"json_extract({column}, '$.env')"
                return column + self.pick(*PATHS)
        return self.column(sources)

    def comparison(self, sources: list[Source], outer: list[Source]) -> str:
        left = self.operand(sources)
        kind = self.rng.randrange(13)
        if kind < 4:
            if outer and self.chance(30):
                right = self.column(outer)
            else:
                right = self.column(sources) if self.chance(12) else self.atom()
            pair = (left, right) if self.chance(85) else (right, left)
            return f"{pair[0]} {self.pick(*COMPARISONS)} {pair[1]}"
        no = self.pick("", "", "NOT ")
        match kind:
            case 4 | 5:
                listed = ", ".join(self.atom() for _ in range(self.rng.randrange(1, 4)))
                return f"{left} {no}IN ({listed})"
            case 6:
                pattern = self.pick("'x'", "'nothing'", "'x%'", "'0_'", "'X%%'", "'%1'", "''")
                return f"{left} {no}LIKE {pattern if self.chance(50) else self.atom()}"
            case 7:
                pattern = self.pick("'x*'", "'*1'", "'?'", "'x'", "'0?'", "'[w-y]*'", "'nothing'")
                return f"{left} {no}GLOB {pattern}"
            case 8:
                return f"{left} {no}BETWEEN {self.atom()} AND {self.atom()}"
            case 9 | 10:
                return f"{left} {self.pick('IS NULL', 'IS NOT NULL', 'ISNULL', 'NOTNULL')}"
            case 11:
                return f"{self.pick('lower', 'upper')}({left}) = {self.atom()}"
            case _:
                return self.odd(left, sources)

    def optional(self, left: str) -> str:
        """What tools write to leave a condition out; a ``?`` cannot be named twice."""
        given = self.parameter(self.pick(*VALUES, None))
        if given == "?":
            return f"({given} IS NULL OR {left} IS NOT NULL)"
        template = self.pick(
            "({1} IS NULL OR {0} {2} {1})",
            "({0} {2} {1} OR {1} ISNULL)",
            "NOT ({1} IS NULL OR {0} {2} {1})",
            "{0} = coalesce({1}, {0})",
            "ifnull({1}, {0}) = {0}",
            "({1} IS NULL OR {0} LIKE {1})",
            "({1} IS NULL OR {0} = {1} OR {0} = 'x')",
            "({1} IS NOT NULL AND {0} {2} {1})",
        )
        return template.format(left, given, self.pick(*COMPARISONS))

    def odd(self, left: str, sources: list[Source]) -> str:
        if self.chance(30):
            return self.optional(left)
        template = self.pick(
            "+{0} = {1}",
            "length({0}) > 1",
            "{0} || '' = {1}",
            "{0} = {1} COLLATE NOCASE",
            "{0} COLLATE RTRIM <> {1}",
            "{0} COLLATE BINARY = {1} COLLATE NOCASE",
            "{0} COLLATE NOCASE IN ({1}, 'X')",
            "{0} COLLATE BINARY = {1}",
            "{0} NOT IN ({1} COLLATE BINARY)",
            "{0} LIKE '!x%' ESCAPE '!'",
            "{0} NOT LIKE 'X!!_' ESCAPE '!'",
            "{0} LIKE 'x!%' ESCAPE '!'",
            "coalesce({0}, 'x') = {1}",
            "CASE WHEN {0} IS NULL THEN 1 ELSE {2} = 'x' END",
            "{0} IS {1}",
            "{0} = {1} IS NULL",
            "({0}, 1) = ({1}, 1)",
            "{0}",
        )
        atom = self.atom() if "{1}" in template else ""
        return template.format(left, atom, self.column(sources))

    def condition(self, sources: list[Source], outer: list[Source], depth: int) -> str:
        kind = self.rng.randrange(10)
        if depth == 0 or kind < 4:
            return self.comparison(sources, outer)
        if kind < 6:
            return self.joined(" OR ", sources, outer, depth)
        if kind < 8:
            return self.joined(" AND ", sources, outer, depth)
        if kind == 8:
            return f"NOT ({self.condition(sources, outer, depth - 1)})"
        return self.subquery(sources, depth)

    def joined(self, word: str, sources: list[Source], outer: list[Source], depth: int) -> str:
        count = self.rng.randrange(2, 4)
        parts = word.join(self.condition(sources, outer, depth - 1) for _ in range(count))
        return f"({parts})"

    def subquery(self, sources: list[Source], depth: int) -> str:
        inner = Source(self.label(), COLUMNS)
        table = self.pick("ta", "tb")
        where = self.condition([inner], sources, depth - 1)
        body = f"FROM {table} {inner.label} WHERE {where}"
        no = self.pick("", "NOT ")
        match self.rng.randrange(3):
            case 0:
                return f"{no}EXISTS (SELECT 1 {body})"
            case 1:
                return f"{self.column(sources)} {no}IN (SELECT {inner.label}.a {body})"
            case _:
                return f"(SELECT count(*) {body}) > 0"

    # FROM

    def item(self, ctes: list[str]) -> tuple[str, Source]:
        label = self.label()
        kind = self.rng.randrange(12)
        if kind < 8:
            table = self.pick("ta", "tb", "main.ta")
            if self.chance(15):
                return table, Source(table.removeprefix("main."), COLUMNS)
            return f"{table} {self.pick('', 'AS ')}{label}", Source(label, COLUMNS)
        if kind == 8:
            return f"k AS {label}", Source(label, NATIVE)
        if kind == 9 and ctes:
            return f"{self.rng.choice(ctes)} {label}", Source(label, COLUMNS)
        inner = Source(self.label(), COLUMNS)
        where = self.condition([inner], [], 1)
        text = f"(SELECT * FROM {self.pick('ta', 'tb')} {inner.label} WHERE {where}) AS {label}"
        return text, Source(label, COLUMNS)

    def sources(self, ctes: list[str], outer: list[Source]) -> tuple[str, list[Source]]:
        text, first = self.item(ctes)
        found = [first]
        for _ in range(self.rng.choice((0, 0, 0, 1, 1, 1, 2))):
            item, source = self.item(ctes)
            found.append(source)
            join = self.rng.choice(
                (",", "JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
            )
            if join == ",":
                text += f", {item}"
            elif self.chance(10):
                text += f" {join} {item} USING (name)"
            elif self.chance(4):
                text += f" NATURAL {join} {item}"
            else:
                text += f" {join} {item} ON {self.on(found, outer)}"
        return text, found

    def on(self, found: list[Source], outer: list[Source]) -> str:
        right = found[-1].label
        left = self.rng.choice(found[:-1]).label
        parts = [f"{left}.{self.pick('name', 'a', 'n')} = {right}.{self.pick('name', 'a', 'n')}"]
        if self.chance(50):
            parts.append(self.condition(found, outer, 1))
        return " AND ".join(parts)

    # Statements

    def select(self, ctes: list[str], outer: list[Source], width: int) -> str:
        text, found = self.sources(ctes, outer)
        where = ""
        if self.chance(90):
            where = " WHERE " + " AND ".join(
                self.condition(found, outer, 2) for _ in range(self.rng.randrange(1, 4))
            )
        kind = self.rng.randrange(10)
        if kind == 0:
            group = self.column(found)
            items = ", ".join([group] + ["count(*)"] * (width - 1))
            return f"SELECT {items} FROM {text}{where} GROUP BY {group}"
        if kind == 1:
            items = ", ".join(["count(*)"] * width)
            return f"SELECT {items} FROM {text}{where}"
        columns = [
            f"{self.rng.choice(found).label}.{self.pick('name', 'a', 'n')}" for _ in range(width)
        ]
        if kind == 2:
            columns[-1] = f"count(*) OVER (PARTITION BY {columns[0]})"
        if kind == 3:
            inner = self.label()
            columns[-1] = (
                f"(SELECT max({inner}.name) FROM ta {inner} WHERE {self.condition([Source(inner, COLUMNS)], found, 1)})"
            )
        if kind == 4:
            columns[-1] = f"{columns[-1]} || {self.parameter('t')}"
        distinct = "DISTINCT " if self.chance(10) else ""
        return f"SELECT {distinct}{', '.join(columns)} FROM {text}{where}"

    def query(self) -> str:
        ctes: list[str] = []
        head = ""
        if self.chance(20):
            name = self.pick("c1", "ta")
            inner = Source(self.label(), COLUMNS)
            table = "tb"
            kept = self.pick("", "MATERIALIZED ", "NOT MATERIALIZED ")
            head = f"WITH {name} AS {kept}(SELECT * FROM {table} {inner.label} WHERE {self.condition([inner], [], 1)}) "
            ctes = [name]
        width = self.rng.randrange(1, 4)
        text = self.select(ctes, [], width)
        if self.chance(15):
            text += f" {self.pick('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT')} {self.select(ctes, [], width)}"
        if self.chance(20):
            order = ", ".join(f"{place + 1} {self.pick('', 'DESC')}" for place in range(width))
            if self.chance(25):
                order += f", {self.rng.randrange(width) + 1} {self.pick('', 'DESC')}"
            text += f" ORDER BY {order}"
            if self.chance(60):
                text += f" LIMIT {self.rng.randrange(1, 6)}"
        return head + text

    def change(self) -> str:
        table = self.pick("ta", "tb")
        label = self.pick("", " AS q0")
        target = Source("q0" if label else table, COLUMNS)
        if self.chance(50):
            return f"DELETE FROM {table}{label} WHERE {self.condition([target], [], 3)}"
        if self.chance(30):
            other = Source("o", COLUMNS)
            both = self.condition([target, other], [], 2)
            return f"UPDATE {table}{label} SET b = 'new' FROM ta AS o WHERE o.name = {target.label}.name AND {both}"
        new = self.parameter("new") if self.chance(60) else self.of_itself(table, target)
        where = self.condition([target], [], 3)
        if self.chance(30):
            where += f" AND {target.label}.name = {self.of_itself(table, target)}"
        return f"UPDATE {table}{label} SET b = {new} WHERE {where}"

    def of_itself(self, table: str, target: Source) -> str:
        """A value from other rows of the table that is changed; of columns that stay as they are."""
        inner = Source(self.label(), COLUMNS)
        what = self.pick("max({0}.name)", "'k' || count(*)", "min({0}.a)").format(inner.label)
        link = f"{inner.label}.n = {target.label}.n" if self.chance(60) else "1"
        return f"(SELECT {what} FROM {table} {inner.label} WHERE {link})"


def statement(seed: int) -> tuple[str, object]:
    """The statement of a seed, and its bindings."""
    rng = random.Random(seed)
    writer = Writer(rng, rng.choice(("?", "?N", "name")))
    text = writer.change() if rng.randrange(8) == 0 else writer.query()
    return text, writer.given


def rows(seed: int, count: int) -> list[tuple[object, ...]]:
    """Rows of one of our tables."""
    rng = random.Random(seed)
    labels = (
        None,
        "{}",
        '{"env":"x"}',
        '{"env":"X","n":1}',
        '{"a.b":"y"}',
        '{"env":null,"n":"1"}',
        '{"env":1}',
    )
    return [
        (
            f"k{number}",
            rng.choice(("x", "X", "y", "z", "1", "01", "1.0", "", None, "x%")),
            rng.choice(("x", "y", "u1", None)),
            rng.choice((0, 1, 2, 3, None)),
            rng.choice((0, 1, None)),
            rng.choice(labels),
        )
        for number in range(count)
    ]
