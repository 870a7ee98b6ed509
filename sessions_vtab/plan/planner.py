"""The planner: which access path, which conditions are handed over, what that costs."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import RANGE, AccessPath, Capability
from sessions_vtab.contract.model import ARGUMENTS, PLAN_COLUMNS, PUSH, ColumnType, Table
from sessions_vtab.contract.predicate import EVERYTHING, TIMESTAMP, Op, Predicate, Rule
from sessions_vtab.contract.scan import Order
from sessions_vtab.errors import InvalidValueError, MissingParameterError, UnsupportedError
from sessions_vtab.plan.costs import (
    VALUES_OF_A_SET,
    cost_of,
    share_of_operators,
    share_of_predicate,
)
from sessions_vtab.plan.index_info import (
    UNKNOWN,
    Constraint,
    ConstraintUsage,
    Hint,
    IndexInfo,
    IndexUsage,
    Relation,
)
from sessions_vtab.plan.plan import Plan, Pushed, Term, is_by_order
from sessions_vtab.plan.pushdown import certain, project

_PATTERNS = frozenset((Op.LIKE, Op.GLOB))
_COMPARISONS = frozenset((Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Relation.IS))


def plan_scan(
    index_info: IndexInfo,
    table: Table,
    capability: Capability,
    *,
    pushed: Mapping[str, Predicate],
    where: str,
    unhiding: Container[str] = (),
) -> tuple[Plan, IndexUsage] | None:
    """The best plan for what SQLite offers.

    Args:
        index_info: SQLite's question.
        table: the table that is read.
        capability: what can be done with it.
        pushed: conditions found by the statement rewriter, by the text of ``_push``.
        where: ``source.table``, for errors.
        unhiding: texts of ``_push`` whose occurrence wants rows that the table hides.

    Returns:
        None if a condition that is needed is there but not usable in this join order.

    Raises:
        MissingParameterError: no access path has its keys, in any join order.
        InvalidValueError: a literal that is not a time is compared with a time column.
        UnsupportedError: a parameter column is used with another operator than ``=``.
    """
    _check(index_info, table, where)
    # None refuses only this order of joins: SQLite then asks again with the tables in another one.
    if any(_is_parameter(table, one) and not one.usable for one in index_info.constraints):
        return None
    candidates = [
        _Candidate(index_info, table, capability, path, pushed)
        for path in capability.paths
        if all(_has(index_info, key, usable=True) for key in path.keys)
    ]
    if not candidates:
        _require_keys(index_info, capability, where)
        return None
    # By cost and not by the first that fits: a list with a filter can cost less than a GET for each
    # of a thousand keys.
    best, *others = sorted(candidates, key=lambda one: (one.cost, one.changing))
    fallbacks = tuple(one.path for one in others)
    plan = replace(best.plan(), fallbacks=fallbacks)
    hides = capability.hides
    if hides is not None and (plan.argument in unhiding or best.leaves(hides.column)):
        plan = replace(plan, constants=((hides.parameter, 1),))
    return plan, best.usage()


def _check(index_info: IndexInfo, table: Table, where: str) -> None:
    given: dict[str, object] = {}
    for one in index_info.constraints:
        # For a MULTI-INDEX OR SQLite offers the conditions around it twice.
        if _is_parameter(table, one) and given.setdefault(one.column, one.literal) != one.literal:
            raise UnsupportedError(
                f"{where}.{one.column} is given twice, but a parameter has only one value."
            )
    for one in index_info.constraints:
        if not one.column:
            continue
        column = table.column(one.column)
        in_plan = one.op is Relation.IS_NOT and column.name in PLAN_COLUMNS
        if column.parameter and (one.listed or not (one.op is Op.EQ or in_plan)):
            msg = (
                f"{where}.{column.name} is a parameter and can only be used as"
                f" {column.name} = value."
            )
            raise UnsupportedError(msg)
        if column.type is ColumnType.TIME and one.op in _COMPARISONS:
            _check_time(one, where)


def _check_time(one: Constraint, where: str) -> None:
    """A literal that is not a time, such as 'now', would silently compare as text."""
    unknown = one.literal is UNKNOWN or one.literal is None
    if not unknown and one.collation == TIMESTAMP and times.parse(one.literal) is None:
        msg = (
            f"{where}.{one.column} is compared with {one.literal!r:.60}, which is not a valid"
            f" time. Write {times.ACCEPTED}, or datetime('now', '-1 day')."
        )
        raise InvalidValueError(msg)


def _is_parameter(table: Table, one: Constraint) -> bool:
    return bool(one.column) and table.column(one.column).parameter and one.op is Op.EQ


def _has(index_info: IndexInfo, key: str, *, usable: bool) -> bool:
    return any(
        one.column == key and one.op is Op.EQ and (one.usable or not usable)
        for one in index_info.constraints
    )


def _require_keys(index_info: IndexInfo, capability: Capability, where: str) -> None:
    """Raises if no path has all of its required keys among the conditions, usable or not."""
    if any(
        all(_has(index_info, key, usable=False) for key in path.keys) for path in capability.paths
    ):
        return
    sets = list(dict.fromkeys(path.keys for path in capability.paths))
    choices = " or ".join(_together(keys) for keys in sets) if sets[1:] else " and ".join(sets[0])
    msg = f"{where} requires {choices} in WHERE. {capability.hint}".rstrip()
    raise MissingParameterError(msg)


def _together(keys: Sequence[str]) -> str:
    """Keys that are needed together, in brackets beside others."""
    return f"({' and '.join(keys)})" if len(keys) > 1 else "".join(keys)


@dataclass(slots=True)
class _Taken:
    """A constraint that is handed over."""

    index: int
    term: Term
    omit: bool


class _Candidate:
    """One access path with every condition that it takes."""

    def __init__(
        self,
        index_info: IndexInfo,
        table: Table,
        capability: Capability,
        path: AccessPath,
        pushed: Mapping[str, Predicate],
    ) -> None:
        self._info = index_info
        self._table = table
        self.path = path
        self._rules: dict[int, Rule] = {}
        self._taken = list(self._take())
        self._parameters = [
            (index, one.column)
            for index, one in enumerate(index_info.constraints)
            if _is_parameter(table, one) and one.column not in PLAN_COLUMNS
        ]
        self._push = self._index(PUSH.name)
        self._arguments = self._index(ARGUMENTS.name)
        self._pushed = self._project(pushed)
        self._sorted = self._single() or self._leading == len(index_info.order)
        self._ties = self._unsorted()
        self._ordered = self._sorted or self._groups() or bool(self._ties)
        self._rows = self._estimate(capability)
        # In the planner's unit: about one row read from memory. No filter makes a fan-out cheaper.
        read = float(capability.rows) if path.fans_out else self._rows
        self.cost = cost_of(path, self._starts, read)

    @property
    def changing(self) -> int:
        """How many keys may have another value in each read: what is read once costs less."""
        keys = [one.term for one in self._taken if one.term.column in self.path.keys]
        return sum(not one.literal for one in keys)

    @property
    def _starts(self) -> int:
        """How many separate reads the values of the keys are expected to take."""
        sets = [
            taken
            for taken in self._taken
            if taken.term.column in self.path.keys and taken.term.op is Op.IN
        ]
        return int(VALUES_OF_A_SET ** len(sets))

    def usage(self) -> IndexUsage:
        """What is reported to SQLite: constraints, order, cost and row count."""
        uses = [ConstraintUsage() for _ in self._info.constraints]
        for argument, taken in enumerate(self._taken):
            uses[taken.index] = ConstraintUsage(argument, taken.omit, taken.term.op is Op.IN)
        for argument, (index, _) in enumerate(self._parameters, len(self._taken)):
            uses[index] = ConstraintUsage(argument, omit=True)
        for argument, index in enumerate(self._tail(), len(self._taken) + len(self._parameters)):
            # LIMIT is taken without omit: a hint for page sizes, which never cuts. SQLite may drop
            # rows that come, and then reads on.
            uses[index] = ConstraintUsage(argument, omit=self._omits(index))
        return IndexUsage(
            uses=tuple(uses),
            ordered=self._ordered and bool(self._info.order),
            cost=self.cost,
            rows=max(1, round(self._rows)),
            unique=self._single(),
        )

    def plan(self) -> Plan:
        """What the scan will do."""
        tail = self._tail()
        first = len(self._taken) + len(self._parameters)
        place = {index: first + number for number, index in enumerate(tail)}
        limit, offset = self._hint(Hint.LIMIT), self._hint(Hint.OFFSET)
        sorts = (self._sorted and not self._single()) or bool(self._ties)
        echoed = (PUSH, self._push), (ARGUMENTS, self._arguments)
        parameters = [
            (column, len(self._taken) + number)
            for number, (_, column) in enumerate(self._parameters)
        ] + [
            (column.name, place[index])
            for column, index in echoed
            if index is not None and self._info.constraints[index].op is Op.EQ
        ]
        return Plan(
            table=self._table,
            path=self.path,
            terms=tuple(taken.term for taken in self._taken),
            parameters=tuple(parameters),
            pushed=self._pushed_with(place),
            argument=self._plan_text(),
            values=None if self._arguments is None else place[self._arguments],
            limit=None if limit is None else place[limit],
            offset=None if offset is None else place[offset],
            skips=self._skips(),
            order=self._info.order[: self._leading] if sorts else (),
            ties=self._ties,
            groups=() if self._sorted or self._ties else self._grouped_by(),
            columns=self._info.used,
            here=tuple(self._here()),
            rules=tuple(self._rules.items()),
        )

    def leaves(self, column: str) -> bool:
        """Whether the path does not take a condition on a column that SQLite offers."""
        taken = {one.index for one in self._taken}
        offered = enumerate(self._info.constraints)
        return any(one.column == column and index not in taken for index, one in offered)

    def _take(self) -> Iterator[_Taken]:
        for index, one in enumerate(self._info.constraints):
            if not one.column:
                continue
            if self._table.column(one.column).parameter:
                self._rules[index] = Rule.PARAMETER
                continue
            op = self._operator(one)
            if isinstance(op, Rule):
                self._rules[index] = op
                continue
            omit = self._exact(one, op)
            self._rules[index] = self._rule(one, exact=omit)
            known = one.literal is not UNKNOWN
            yield _Taken(index, Term(one.column, op, one.collation, known), omit)

    def _operator(self, one: Constraint) -> Op | Relation | Rule:
        """How the path takes a constraint, or the rule by which it does not."""
        if not one.usable:
            return Rule.LATER if one.literal is UNKNOWN else Rule.OUTER_JOIN
        if isinstance(one.op, Hint) or one.op in {Relation.IS_NOT, Relation.OTHER}:
            return Rule.SQLITE
        ops, collations = self._declared(one.column)
        wanted = Op.EQ if isinstance(one.op, Relation) else one.op
        if not ops:
            return Rule.NO_FILTER
        if wanted not in ops or (one.op is Relation.IS and Op.IS_NULL not in ops):
            return Rule.OPERATOR
        if wanted is not Op.IS_NULL and one.collation not in collations:
            return Rule.COLLATION
        if one.collation == TIMESTAMP and not self._is_time(one.column):
            # Only time columns hold canonical texts: elsewhere one instant has many spellings.
            return Rule.COLLATION
        return Op.IN if one.set and wanted is Op.EQ and Op.IN in ops else one.op

    def _rule(self, one: Constraint, *, exact: bool) -> Rule:
        if one.column in self.path.keys and one.op in {Op.EQ, Relation.IS}:
            return Rule.KEY
        if is_by_order(self.path, one.column):
            return Rule.ORDER
        return Rule.EXACT_FILTER if exact else Rule.FILTER

    def _is_time(self, column: str) -> bool:
        return self._table.column(column).type is ColumnType.TIME

    def _declared(self, column: str) -> tuple[frozenset[Op], frozenset[str]]:
        declared = self.path.filter_for(column)
        if declared is not None:
            return declared.ops, declared.collations
        keyed = column in self.path.keys
        return (frozenset((Op.EQ, Op.IN)) if keyed else frozenset()), frozenset(("BINARY",))

    def _exact(self, one: Constraint, op: Op | Relation) -> bool:
        """Whether SQLite need not check again: only for literals in exact filters."""
        declared = self.path.filter_for(one.column)
        # SQLite checks by default. Only a literal is known well enough to leave that out: of a
        # parameter neither type nor affinity is known while planning.
        if declared is None or not declared.exact or isinstance(op, Relation):
            return False
        if op in {Op.IS_NULL, Op.IS_NOT_NULL}:
            return True
        if one.literal is UNKNOWN or one.literal is None:
            return False
        if op in _PATTERNS or (op in RANGE and one.collation == "NOCASE"):
            # SQLite offers the pattern and, from its first letters, a range. In an outer join it
            # tests the terms that are left out of this family too late: after the row of NULLs,
            # which it then loses (3.53.4).
            return False
        return certain(self._table.column(one.column).type, op, one.literal, one.collation)

    def _index(self, column: str) -> int | None:
        for index, one in enumerate(self._info.constraints):
            if one.column == column and one.usable:
                return index
        return None

    def _hint(self, hint: Hint) -> int | None:
        """Index of LIMIT or OFFSET; None if SQLite sorts, because it then reads every row."""
        # How many rows are equal in what the path sorts by is not known, so LIMIT is no hint then.
        if not self._ordered or self._ties:
            return None
        for index, one in enumerate(self._info.constraints):
            if one.op is hint and one.usable:
                return index
        return None

    def _tail(self) -> list[int]:
        """Constraints whose arguments come last: the statement rewriter's two, LIMIT and OFFSET."""
        tail = (self._push, self._arguments, self._hint(Hint.LIMIT), self._hint(Hint.OFFSET))
        return [index for index in tail if index is not None]

    def _omits(self, index: int) -> bool:
        one = self._info.constraints[index]
        if one.op is Hint.OFFSET:
            return self._skips()
        return one.column in PLAN_COLUMNS

    def _skips(self) -> bool:
        """OFFSET can be handed over if just the wanted rows come, in the wanted order."""
        taken = {one.index for one in self._taken if one.omit}
        rest = [one for index, one in enumerate(self._info.constraints) if index not in taken]
        # A row that SQLite would drop afterwards must not be counted as skipped.
        exact = all(isinstance(one.op, Hint) for one in rest)
        return self.path.offset and exact and self._hint(Hint.OFFSET) is not None

    def _plan_text(self) -> str:
        """The plan text that the statement rewriter spliced in for this occurrence."""
        text = "" if self._push is None else self._info.constraints[self._push].literal
        return text if isinstance(text, str) else ""

    def _project(self, pushed: Mapping[str, Predicate]) -> Predicate:
        predicate = pushed.get(self._plan_text())
        return EVERYTHING if predicate is None else project(predicate, self.path)

    def _pushed_with(self, place: Mapping[int, int]) -> Pushed | None:
        if self._pushed == EVERYTHING:
            return None
        argument = None if self._arguments is None else place[self._arguments]
        return Pushed(self._pushed, argument)

    @property
    def _leading(self) -> int:
        """How many columns of the order, from the first one on, the path sorts by."""
        path, order = self.path, self._info.order
        others = (
            place
            for place, one in enumerate(order)
            if not (
                one.column in path.orders or (one.column in path.ascending and not one.descending)
            )
        )
        return next(others, len(order))

    def _unsorted(self) -> tuple[Order, ...]:
        """The rest of the order, where the engine sorts the rows that are equal in its beginning.

        Only with LIMIT, which most often ends the reading early: a list in an order is read one
        page after the other, and not from both ends.
        """
        limited = any(one.op is Hint.LIMIT and one.usable for one in self._info.constraints)
        if self._sorted or self._info.grouping or not (self._leading and limited):
            return ()
        return self._info.order[self._leading :]

    def _groups(self) -> bool:
        """Whether rows of one group come one after another, though the path cannot sort them.

        Each row is a group of its own if its key is among the columns. Else a path reads group
        after group by one of the columns, and the engine collects what is within such a group.
        """
        columns = {one.column for one in self._info.order}
        known = {self._table.key, self.path.grouped}
        # Where a list is read for each value of a key, two of them may have the same id.
        if self._has_one_value_each(but=self.path.grouped_id):
            known.add(self.path.grouped_id)
        return self._info.grouping and not columns.isdisjoint(known)

    def _grouped_by(self) -> tuple[str, ...]:
        """The columns by which the engine has to collect rows; none if there is nothing to do."""
        columns = tuple(one.column for one in self._info.order)
        return () if not self._ordered or self._table.key in columns else columns

    def _single(self) -> bool:
        """Whether the plan returns at most one row: a unique path with one value for each key."""
        return self.path.unique and self._has_one_value_each()

    def _has_one_value_each(self, but: str = "") -> bool:
        """Whether every key of the path, but for one, has one value."""
        one_value = {taken.term.column for taken in self._taken if taken.term.op is Op.EQ}
        return one_value.issuperset({*self.path.keys} - {but})

    def _estimate(self, capability: Capability) -> float:
        # SQLite orders joins by these numbers: too many rows for a point lookup would make it the
        # outer side.
        if self._single():
            return 1.0
        if self.path.unique:
            return float(VALUES_OF_A_SET)
        if self._table.key in self.path.keys:  # A name is that of one row, whatever has to be read.
            return float(self._starts)
        # Conditions that came both ways say the same thing: they must not count twice.
        offered = share_of_operators(self._counted())
        found = share_of_predicate(self._pushed)
        rows = capability.rows * min(offered, found)
        if self.path.rows_per_key is not None:
            rows = min(rows, float(self.path.rows_per_key * self._starts))
        return max(rows, 1.0)

    def _counted(self) -> Iterator[Op | Relation]:
        """The operators whose shares multiply: of equalities with one column, the narrowest.

        SQLite offers ``a = 1 OR a = 2`` as ``a IN (1, 2)`` beside each of the two.
        """
        single = {taken.term.column for taken in self._taken if taken.term.op is Op.EQ}
        for taken in self._taken:
            if taken.term.op is not Op.IN or taken.term.column not in single:
                yield taken.term.op

    def _here(self) -> Iterator[str]:
        taken = {one.index for one in self._taken}
        for index, one in enumerate(self._info.constraints):
            quiet = not one.column or not one.usable or self._table.column(one.column).parameter
            if index not in taken and not quiet:
                yield f"{one.column} {one.op}"
