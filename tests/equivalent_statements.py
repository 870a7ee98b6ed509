"""Writes what ``equivalent_meanings`` draws, each in several ways that mean the same.

Which table comes first, whether a condition stands in ON or in WHERE, a list or a subquery or a
common table expression, values as literals or parameters: each form returns the same rows. One seed
is one form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from sessions_vtab.contract.predicate import Value, literal
from tests.equivalent_meanings import COLUMNS, Compound, Item, Link, Lookup, Meaning, Select, Term


@dataclass(frozen=True, slots=True)
class Form:
    """A statement, its parameters, and what has to be created before."""

    sql: str
    bindings: Mapping[str, Value]
    setup: str = ""


@dataclass
class _Writing:
    """Writes one form; what is chosen here changes no row."""

    random: Random
    bound: bool
    bindings: dict[str, Value] = field(default_factory=dict)
    common: list[str] = field(default_factory=list)
    count: int = 0

    def any(self, *options: str) -> str:
        return self.random.choice(options)

    def often(self, share: float = 0.5) -> bool:
        return self.random.random() < share

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def joined(self, separator: str, texts: Iterable[str]) -> str:
        found = list(texts)
        self.random.shuffle(found)
        return separator.join(found)

    def statement(self, asked: Meaning) -> Form:
        text = self.compound(asked) if isinstance(asked, Compound) else self.select(asked)
        form = self.any("", "", "", "" if self.bound else "view", "FROM", "WITH")
        if form == "FROM":
            text = f"SELECT * FROM ({text})"
        elif form == "WITH":
            text = f"SELECT * FROM {self.expression(text)}"
        text = f"WITH {', '.join(self.common)} {text}" if self.common else text
        if form == "view":
            return Form("SELECT * FROM own_view", {}, f"CREATE TEMP VIEW own_view AS {text}")
        return Form(text, self.bindings)

    def expression(self, query: str) -> str:
        """The name of a common table expression with a query."""
        name = self.name("c")
        self.common.append(f"{name} AS {self.any('', '', '', 'NOT MATERIALIZED ')}({query})")
        return name

    def value(self, value: Value) -> str:
        if not self.bound or self.often(0.6):
            return literal(value)
        name = self.name("p")
        self.bindings[name] = value
        return f":{name}"

    def column(self, alias: str, column: str) -> str:
        return self.any(f"{alias}.{column}", f"{alias}.{column}", f'{alias}."{column}"')

    def equal(self, left: tuple[str, str], right: tuple[str, str]) -> str:
        return self.joined(" = ", (self.column(*left), self.column(*right)))

    def compound(self, asked: Compound) -> str:
        op, left, right = asked.op, asked.left, asked.right
        if op in {"INTERSECT", "EXCEPT"} and self.often():
            member = Lookup(*left.shown[0], replace(right, shape="rows"), op == "EXCEPT")
            return self.select(replace(left, members=(*left.members, member)))
        sides = [self.body(left), self.body(right)]
        if op == "UNION" and self.often(0.3):
            return f"SELECT DISTINCT * FROM ({' UNION ALL '.join(sides)})"
        return f" {op} ".join(sides) if op == "EXCEPT" else self.joined(f" {op} ", sides)

    def select(self, asked: Select) -> str:
        if asked.limit is None:
            return self.split(asked) or self.body(asked)
        text = self.body(asked)
        columns = len(asked.shown) + len(asked.summaries)
        first, *rest = (str(place + 1) for place in range(columns))
        order = ", ".join((f"{first} DESC" if asked.descending else first, *rest))
        text = f"SELECT * FROM ({text})" if self.often(0.25) else text
        return f"SELECT * FROM ({text} ORDER BY {order} LIMIT {self.value(asked.limit)})"

    def split(self, asked: Select) -> str:
        """A compound of queries of which each finds a part of the rows, now and then."""
        for term in asked.terms if self.often(0.15) else ():
            parts: list[Term] = []
            if len(term.values) > 1 and not term.between and asked.shape in {"rows", "distinct"}:
                parts = [replace(term, values=one) for one in (term.values[:1], term.values[1:])]
            elif term.other is not None and asked.shape == "distinct":
                column, value = term.other
                parts = [replace(term, other=None), Term(term.alias, column, (value,))]
            if parts:
                rest = [one for one in asked.terms if one is not term]
                texts = [self.body(replace(asked, terms=(*rest, one))) for one in parts]
                return (" UNION ALL " if asked.shape == "rows" else " UNION ").join(texts)
        return ""

    def body(self, asked: Select) -> str:
        """A SELECT without ORDER BY and LIMIT."""
        inner = self.connected(asked)
        waiting = {term: self.term(term) for term in asked.terms}
        where: list[str] = []
        texts = {item.alias: self.item(item, waiting) for item in inner}
        source = self.inner(inner, asked, texts, waiting, where)
        for member in asked.members:
            source += self.member(member, where)
        for item in asked.items:
            source = self.outer(item, asked, source, source in texts.values())
        shown = [self.column(*one) for one in asked.shown]
        for summary in asked.summaries:
            text, join = self.summary(summary)
            shown.append(text)
            source += join
        where += waiting.values()
        tail = f" WHERE {self.joined(' AND ', where)}" if where else ""
        return self.shaped(asked.shape, shown, f"FROM {source}{tail}")

    def shaped(self, shape: str, shown: Sequence[str], rest: str) -> str:
        named = ", ".join(f"{one} AS o{place}" for place, one in enumerate(shown))
        places = ", ".join(str(place + 1) for place in range(len(shown)))
        inside = self.often(0.3)
        match shape:
            case "bare":
                return rest
            case "count":
                rest = f"FROM (SELECT {named} {rest})" if inside else rest
                return f"SELECT count(*) AS o0 {rest}"
            case "ends":
                rest = f"FROM (SELECT {named} {rest})" if inside else rest
                column = "o0" if inside else shown[0]
                return f"SELECT max({column}) AS o0, min({column}) AS o1 {rest}"
            case "group":
                return f"SELECT {named}, count(*) AS n {rest} GROUP BY {places}"
            case "distinct" if inside:
                return f"SELECT {named} {rest} GROUP BY {places}"
        return f"SELECT {'DISTINCT ' if shape == 'distinct' else ''}{named} {rest}"

    def connected(self, asked: Select) -> list[Item]:
        """The items that are not outer, each linked with one before it."""
        waiting = [one for one in asked.items if not one.outer]
        found: list[Item] = []
        while waiting:
            known = {one.alias for one in found}
            ends = [{one.left, one.right} for one in asked.links]
            near = set().union(*(one for one in ends if one & known))
            ready = [one for one in waiting if not found or one.alias in near]
            found.append(self.random.choice(ready))
            waiting.remove(found[-1])
        return found

    def item(self, item: Item, waiting: dict[Term, str]) -> str:
        """An item of FROM, now and then with its conditions inside."""
        alias = f"{self.any('', 'AS ')}{item.alias}"
        if item.query is not None:
            listed = ", ".join(f"o{at} AS {one}" for at, one in enumerate(item.shown()))
            listed += ", n" if item.query.shape == "group" else ""
            text = f"SELECT {listed} FROM ({self.select(item.query)})"
        elif self.often(0.6):
            return f"{self.any(item.table, item.table, f'[{item.table}]')} {alias}"
        else:
            own = [one for one in waiting if one.alias == item.alias and self.often(0.7)]
            for one in own:
                del waiting[one]
            terms = [self.term(replace(one, alias=item.table)) for one in own]
            text = f"SELECT {self.any('*', ', '.join(COLUMNS[item.table]))} FROM {item.table}"
            text += f" WHERE {self.joined(' AND ', terms)}" if terms else ""
        return f"{self.expression(text) if self.often(0.4) else f'({text})'} {alias}"

    def inner(
        self,
        inner: Sequence[Item],
        asked: Select,
        texts: Mapping[str, str],
        waiting: dict[Term, str],
        where: list[str],
    ) -> str:
        """The items that are not outer; what does not come into ON comes into WHERE."""
        source, placed = texts[inner[0].alias], {inner[0].alias}
        commas = self.often(0.3)
        for item in inner[1:]:
            beside = [one for one in inner if one.alias in placed]
            placed.add(item.alias)
            links = [one for one in asked.links if item.alias in {one.left, one.right} <= placed]
            conditions = [self.equal(*pair) for one in links for pair in one.pairs()]
            text = texts[item.alias]
            using = _using(links, beside)
            if commas:
                source += f", {text}"
                where += conditions
            elif using and self.often(0.4):
                source += f" JOIN {text} USING ({using})"
            else:
                terms = [one for one in waiting if one.alias in placed and self.often(0.3)]
                conditions += [waiting.pop(one) for one in terms]
                on = self.joined(" AND ", conditions)
                source += f" {self.any('JOIN', 'INNER JOIN')} {text} ON {on}"
        return source

    def outer(self, item: Item, asked: Select, source: str, single: bool) -> str:
        if not item.outer:
            return source
        (link,) = (one for one in asked.links if one.right == item.alias)
        own = {term: self.term(term) for term in item.own}
        text = self.item(item, own)
        on = self.joined(" AND ", (*(self.equal(*pair) for pair in link.pairs()), *own.values()))
        if self.often(0.3):
            return f"{text} RIGHT JOIN {source if single else f'({source})'} ON {on}"
        return f"{source} LEFT JOIN {text} ON {on}"

    def term(self, term: Term) -> str:
        column, values = self.column(term.alias, term.column), [*map(self.value, term.values)]
        equal = f"{column} = {values[0]}" if values else f"{column} IS NOT NULL"
        if term.between:
            low, high = values
            both = f"{column} >= {low} AND {column} <= {high}"
            return self.any(f"{column} BETWEEN {low} AND {high}", both, f"({both})")
        if term.other is not None:
            name, value = term.other
            other = f"{self.column(term.alias, name)} = {self.value(value)}"
            return f"({self.joined(' OR ', (equal, other))})"
        if len(values) < 2:
            return self.any(equal, equal, f"{column} IN ({values[0]})") if values else equal
        match self.any("OR", "OR", "VALUES", "IN", "IN", "IN"):
            case "OR":
                return f"({self.joined(' OR ', (f'{column} = {one}' for one in values))})"
            case "VALUES":
                return f"{column} IN (VALUES {self.joined(', ', (f'({one})' for one in values))})"
        return f"{column} IN ({self.joined(', ', values)})"

    def member(self, member: Lookup, where: list[str]) -> str:
        """Adds a condition; returns what has to be joined for it."""
        column = self.column(member.alias, member.column)
        not_ = "NOT " if member.negated else ""
        match self.any("IN", "IN", "EXISTS", "EXISTS", "WITH", "IN WITH", "JOIN", "count"):
            case "EXISTS":
                where.append(f"{not_}EXISTS ({self.correlated(member, '1')})")
            case "count":
                counted = self.correlated(member, "count(*)")
                where.append(f"({counted}) {'= 0' if member.negated else '> 0'}")
            case "JOIN":
                name = self.name("m")
                text = self.select(replace(member.query, shape="distinct"))
                text = self.expression(text) if self.often(0.4) else f"({text})"
                where += [f"{name}.o0 IS NULL"] if member.negated else []
                how = "LEFT JOIN" if member.negated else "JOIN"
                return f" {how} {text} {name} ON {name}.o0 = {column}"
            case form:
                text = self.select(member.query)
                text = f"({text})" if form == "IN" else self.expression(text)
                text = f"(SELECT o0 FROM {text})" if form == "WITH" else text
                where.append(f"{column} {not_}IN {text}")
        return ""

    def correlated(self, lookup: Lookup, shown: str) -> str:
        """A query of the rows that have the key of the row around it."""
        key = lookup.query.shown[0]
        text = self.body(replace(lookup.query, shape="bare", shown=()))
        link = self.equal(key, (lookup.alias, lookup.column))
        # What stands in brackets has a WHERE of its own.
        joint = "AND" if " WHERE " in _outside(text) else "WHERE"
        return f"SELECT {shown} {text} {joint} {link}"

    def summary(self, summary: Lookup) -> tuple[str, str]:
        """What is shown, and what has to be joined for it."""
        key, value = summary.query.shown
        shown = f"{summary.function}({value[0]}.{value[1]})"
        if self.often():
            return f"({self.correlated(summary, shown)})", ""
        name = self.name("m")
        text = self.body(replace(summary.query, shape="bare", shown=()))
        text = f"SELECT {self.column(*key)} AS k, {shown} AS v {text} GROUP BY 1"
        text = self.expression(text) if self.often(0.4) else f"({text})"
        column = f"coalesce({name}.v, 0)" if summary.function == "count" else f"{name}.v"
        return column, f" LEFT JOIN {text} {name} ON {name}.k = {summary.alias}.{summary.column}"


def _using(links: Sequence[Link], beside: Sequence[Item]) -> str:
    """The columns of USING, if that means the same; ``beside`` are the items on the left."""
    pairs = [pair for link in links for pair in link.columns]
    others = [one for one in beside if one.alias not in {links[0].left, links[0].right}]
    clear = not any(item.has(name) for item in others for name, _ in pairs)
    alike = len(links) == 1 and all(one == other for one, other in pairs)
    return ", ".join(one for one, _ in pairs) if alike and clear else ""


def _outside(text: str) -> str:
    """A text without what is in brackets."""
    depth, kept = 0, []
    for one in text:
        depth += (one == "(") - (one == ")")
        kept.append(one if depth == 0 else "")
    return "".join(kept)


def written(asked: Meaning, random: Random) -> Form:
    """Writes a meaning in one of many ways."""
    return _Writing(random, bound=random.random() < 0.7).statement(asked)
