"""The filter language: its grammar, what it finds, and what strict mode leaves of it."""

from __future__ import annotations

import httpx
import pytest

from sessions_vtab.emulator.vertex.filters import (
    AndTerms,
    Node,
    NotTerm,
    OrTerms,
    Restriction,
    parse_filter,
    require_documented,
)
from sessions_vtab.emulator.vertex.messages import ApiError


def shown(node: Node | None) -> str:
    """Write a tree so that its structure can be read off."""
    if node is None:
        return ""
    if isinstance(node, Restriction):
        value = "*".join(node.value.parts)
        return f"{'.'.join(node.path)}{node.operator}{value}"
    if isinstance(node, NotTerm):
        return f"not({shown(node.term)})"
    name = "all" if isinstance(node, AndTerms) else "any"
    assert isinstance(node, AndTerms | OrTerms)
    return f"{name}({' '.join(map(shown, node.terms))})"


GRAMMAR = [
    ("", ""),
    ("  \n ", ""),
    ('a="1"', "a=1"),
    ("a='1'", "a=1"),
    ("a=1", "a=1"),
    ("a=1.5", "a=1.5"),
    ("a=-5", "a=-5"),
    (' a = "1" ', "a=1"),
    ('a.b.c="1"', "a.b.c=1"),
    ('labels."x-y"="1"', "labels.x-y=1"),
    ("labels.x-y:1", "labels.x-y:1"),
    ("labels.größe=1", "labels.größe=1"),
    *[(f"a{op}1", f"a{op}1") for op in ("=", "!=", "<", "<=", ">", ">=", ":")],
    ("a:*", "a:*"),
    ('a="x*y"', "a=x*y"),
    (r'a="x\*y"', "a=x*y"),
    (r'a="q\"b\\s"', 'a=q"b\\s'),
    (r"a='it\'s'", "a=it's"),
    ('a="line\nbreak 👟"', "a=line\nbreak 👟"),
    ("a=1 AND b=2", "all(a=1 b=2)"),
    ("a=1 b=2", "all(a=1 b=2)"),
    ("a=1 OR b=2", "any(a=1 b=2)"),
    # OR binds tighter than AND: the opposite of SQL.
    ("a=1 AND b=2 OR c=3", "all(a=1 any(b=2 c=3))"),
    ("a=1 OR b=2 AND c=3", "all(any(a=1 b=2) c=3)"),
    ("a=1 b=2 OR c=3", "all(a=1 any(b=2 c=3))"),
    # A sequence is a unit within AND.
    ("a=1 b=2 AND c=3", "all(all(a=1 b=2) c=3)"),
    ("a=1 AND b=2 c=3", "all(a=1 all(b=2 c=3))"),
    ("NOT a=1", "not(a=1)"),
    ("-a=1", "not(a=1)"),
    ("NOT a=1 OR b=2", "any(not(a=1) b=2)"),
    ("-(a=1 AND b=2)", "not(all(a=1 b=2))"),
    ("NOT (a=1 OR b=2)", "not(any(a=1 b=2))"),
    ("(a=1 AND b=2) OR c=3", "any(all(a=1 b=2) c=3)"),
    ("((a=1))", "a=1"),
    ('a="AND"', "a=AND"),
    ("and=1", "and=1"),
]


@pytest.mark.parametrize(("text", "tree"), GRAMMAR)
def test_a_filter_has_this_structure(text: str, tree: str) -> None:
    assert shown(parse_filter(text)) == tree


def test_an_escaped_star_is_a_literal_star() -> None:
    plain, wild = parse_filter(r'a="x\*"'), parse_filter('a="x*"')
    assert isinstance(plain, Restriction)
    assert isinstance(wild, Restriction)
    assert plain.value.literal == "x*"
    assert wild.value.literal is None


@pytest.mark.parametrize(
    "text",
    [
        "a",
        '"a"',
        "a=",
        "=1",
        'a="1',
        "a='1\"",
        'a="1""2"',
        'a="1"b="2"',
        'a="1"AND b="2"',
        'a="1" AND',
        "AND a=1",
        "a=1 AND AND b=2",
        "a=1 OR",
        "a=1 AND OR b=2",
        "NOT",
        "NOT NOT a=1",
        "NOT(a=1)",
        "()",
        "(a=1",
        "a=1)",
        "a==1",
        "a=1 = 2",
        "a.=1",
        ".a=1",
        "a..b=1",
        "a=AND",
        "f(a)",
        "a=f(1)",
        "a=(1 OR 2)",
        "a, b",
        r'a="\n"',
        r'a="\u0041"',
        "a ~ 1",
        "a>1990-01-01T00:00:00Z",
        "(" * 60 + "a=1" + ")" * 60,
    ],
)
def test_an_invalid_filter_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_filter(text)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


ROWS = {
    "s-ann": {"user": "ann", "displayName": "Shoes", "labels": {"env": "prod", "team": "a"}},
    "s-bob": {"user": "bob", "displayName": "Shirts", "labels": {"env": "dev"}},
    "s-none": {"user": "ann"},
    "s-odd": {"user": 'q"\\*', "displayName": "100%\nx", "labels": {"größe": "x_l"}},
}

FINDS = [
    ("", "ann bob none odd"),
    ('user_id="ann"', "ann none"),
    ('userId="ann"', "ann none"),
    ("user_id=ann", "ann none"),
    ('user_id="ANN"', ""),
    ('user_id="nobody"', ""),
    (r'user_id="q\"\\\*"', "odd"),
    ('user_id="ann" AND user_id="bob"', ""),
    ('user_id="ann" OR user_id="bob"', "ann bob none"),
    ('user_id!="ann"', "bob odd"),
    ('NOT user_id="ann"', "bob odd"),
    ('user_id>"ann"', "bob odd"),
    ('user_id<="bob"', "ann bob none"),
    ('display_name="Shoes"', "ann"),
    ('displayName="Sh*"', "ann bob"),
    ('display_name="*s"', "ann bob"),
    ('display_name="S*r*s"', "bob"),
    ('display_name!="Sh*"', "none odd"),
    ('display_name="100%"', ""),
    ('display_name="100%\nx"', "odd"),
    ('display_name="100*x"', "odd"),
    ('display_name=""', "none"),
    ("display_name:*", "ann bob odd"),
    ('labels.env="prod"', "ann"),
    ('labels.env="*"', "ann bob"),
    ("labels.env:*", "ann bob"),
    ("labels.env:prod", "ann"),
    ("labels:env", "ann bob"),
    ('labels:"team"', "ann"),
    ("labels:*", "ann bob odd"),
    ('labels.größe="x_l"', "odd"),
    ('labels."env"="dev"', "bob"),
    # A key that is not there satisfies no comparison; NOT turns that around.
    ('labels.env!="prod"', "bob"),
    ('NOT labels.env="prod"', "bob none odd"),
    ("-labels:env", "none odd"),
    ('labels.env="prod" labels.team="a"', "ann"),
    ('user_id="ann" AND labels.env="dev" OR labels.env="prod"', "ann"),
    ('(user_id="ann" AND labels.env="dev") OR labels.env="dev"', "bob"),
]


@pytest.fixture(scope="module")
def filled(server, request):
    """Put the rows into an engine that all cases of this module share."""
    base = f"{server.url}/v1/projects/p/locations/l/reasoningEngines/77/sessions"
    with httpx.Client(trust_env=False, verify=False) as client:
        for session_id, row in ROWS.items():
            body = {"userId": row["user"], **{k: v for k, v in row.items() if k != "user"}}
            assert client.post(base, params={"sessionId": session_id}, json=body).is_success
        yield lambda text: client.get(base, params={"filter": text})


@pytest.mark.parametrize(("text", "expected"), FINDS)
def test_a_filter_finds_these_sessions(filled, text: str, expected: str) -> None:
    answer = filled(text).json()
    found = [item["name"].rpartition("-")[2] for item in answer.get("sessions", [])]
    assert sorted(found) == expected.split()


@pytest.mark.parametrize(
    "text",
    [
        'name="x"',
        'create_time>"2026-01-01T00:00:00Z"',
        'timestamp>"2026-01-01T00:00:00Z"',
        'labels="x"',
        'labels.a.b="x"',
        'user_id.x="x"',
        'user_id:"ann"',
        'display_name>"a*"',
        'labels:"a*"',
        'session_state.a="x"',
    ],
)
def test_unknown_fields_and_operators_are_400(filled, text: str) -> None:
    response = filled(text)
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


STRICT = [
    ("", True),
    ('user_id="x"', True),
    ('userId = "x"', True),
    ('labels.env="x" AND display_name="y"', True),
    (r'user_id="\"\\"', True),
    ("user_id='x'", False),
    ("user_id=x", False),
    ('user_id!="x"', False),
    ('user_id="x" OR user_id="y"', False),
    ('NOT user_id="x"', False),
    ('-user_id="x"', False),
    ('(user_id="x")', False),
    ('user_id="x" display_name="y"', False),
    ("labels:env", False),
    ("labels.env:*", False),
]


@pytest.mark.parametrize(("text", "accepted"), STRICT)
def test_strict_mode_takes_what_is_documented(text: str, accepted: bool) -> None:
    if accepted:
        require_documented(text, ("=",))
    else:
        with pytest.raises(ApiError):
            require_documented(text, ("=",))


def test_strict_mode_over_the_wire(start) -> None:
    api = start(strict_filters=True)
    session = api.create(user="ann")
    api.append(session, "2026-01-02T00:00:00Z")
    assert api.ids(filter='user_id="ann"') == [session]
    assert api.call("GET", "/sessions", filter='NOT user_id="ann"').status_code == 400
    window = 'timestamp>="2026-01-02T00:00:00Z" AND timestamp<"2026-01-03T00:00:00Z"'
    assert len(api.events(session, filter=window)) == 1
    for refused in (window.replace("AND", "OR"), 'timestamp!="2026-01-02T00:00:00Z"'):
        response = api.call("GET", f"/sessions/{session}/events", filter=refused)
        assert response.status_code == 400


EVENT_TIMES = [f"2026-01-01T00:00:0{second}.000000001Z" for second in range(5)]
EVENT_FINDS = [
    ("", "01234"),
    ('timestamp>="2026-01-01T00:00:02.000000001Z"', "234"),
    ('timestamp>"2026-01-01T00:00:02.000000001Z"', "34"),
    ('timestamp<="2026-01-01T00:00:02.000000001Z"', "012"),
    ('timestamp<"2026-01-01T00:00:02.000000001Z"', "01"),
    ('timestamp="2026-01-01T00:00:02.000000001Z"', "2"),
    ('timestamp!="2026-01-01T00:00:02.000000001Z"', "0134"),
    ('timestamp>="2026-01-01T02:00:03.000000001+02:00"', "34"),
    ("timestamp>='2026-01-01T00:00:03Z'", "34"),
    ('timestamp>"2026-01-01T00:00:01Z" AND timestamp<"2026-01-01T00:00:03Z"', "12"),
    ('timestamp>"2026-01-01T00:00:01Z" timestamp>"2026-01-01T00:00:02Z"', "234"),
    ('timestamp<"2026-01-01T00:00:01Z" OR timestamp>"2026-01-01T00:00:04Z"', "04"),
    ('NOT timestamp<"2026-01-01T00:00:03Z"', "34"),
    ('timestamp>"2026-01-01T00:00:04Z" AND timestamp<"2026-01-01T00:00:01Z"', ""),
    ('timestamp>"1969-01-01T00:00:00Z" AND timestamp<"1970-01-01T00:00:00Z"', ""),
    ('timestamp>"1960-01-01T00:00:00Z" AND timestamp>="1970-01-01T00:00:00Z"', "01234"),
]


@pytest.fixture(scope="module")
def session_with_events(server):
    base = f"{server.url}/v1/projects/p/locations/l/reasoningEngines/78/sessions"
    with httpx.Client(trust_env=False, verify=False) as client:
        client.post(base, params={"sessionId": "e"}, json={"userId": "u"})
        for number, moment in enumerate(EVENT_TIMES):
            body = {"author": str(number), "invocationId": "i", "timestamp": moment}
            assert client.post(f"{base}/e:appendEvent", json=body).is_success
        yield lambda text: client.get(f"{base}/e/events", params={"filter": text})


@pytest.mark.parametrize(("text", "expected"), EVENT_FINDS)
def test_a_filter_finds_these_events(session_with_events, text: str, expected: str) -> None:
    found = session_with_events(text).json().get("sessionEvents", [])
    assert "".join(event["author"] for event in found) == expected


@pytest.mark.parametrize(
    "text",
    [
        'author="1"',
        "timestamp>=2026",
        'timestamp>="2026-01-01T00:00:02"',
        'timestamp>="2026-01-01"',
        'timestamp>="2026-13-01T00:00:00Z"',
        'timestamp:"2026-01-01T00:00:02Z"',
        'timestamp="2026*"',
        "timestamp:*",
        'timestamp.seconds="1"',
    ],
)
def test_event_filters_that_are_400(session_with_events, text: str) -> None:
    assert session_with_events(text).status_code == 400
