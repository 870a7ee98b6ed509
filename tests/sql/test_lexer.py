from __future__ import annotations

import apsw
import pytest

from sessions_vtab.sql.lexer import TokenKind, classify, name_of, split, tokenize

_W, _Q, _S, _N, _B, _P, _O, _I = TokenKind


def _kinds(text: str) -> list[tuple[TokenKind, str]]:
    return [(token.kind, token.text) for token in tokenize(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", [(_W, "a"), (_W, "b")]),
        ("é_$1", [(_W, "é_$1")]),
        ('"a""b"', [(_Q, '"a""b"')]),
        ("`a``b`", [(_Q, "`a``b`")]),
        ("[a b]", [(_Q, "[a b]")]),
        ("'it''s'", [(_S, "'it''s'")]),
        ("'a' 'b'", [(_S, "'a'"), (_S, "'b'")]),
        ("1 1.5 .5 1. 1e3 1.5E-3", [(_N, n) for n in ("1", "1.5", ".5", "1.", "1e3", "1.5E-3")]),
        ("1_000 0x1F 0x1_F", [(_N, n) for n in ("1_000", "0x1F", "0x1_F")]),
        ("x'0aFF' X''", [(_B, "x'0aFF'"), (_B, "X''")]),
        ("? ?12 :a @a $a", [(_P, p) for p in ("?", "?12", ":a", "@a", "$a")]),
        ("$a::b(x) #q", [(_P, "$a::b(x)"), (_P, "#q")]),
        ("a->>'b'->c", [(_W, "a"), (_O, "->>"), (_S, "'b'"), (_O, "->"), (_W, "c")]),
        (
            "a||b<>c!=d==e",
            [
                (_W, "a"),
                (_O, "||"),
                (_W, "b"),
                (_O, "<>"),
                (_W, "c"),
                (_O, "!="),
                (_W, "d"),
                (_O, "=="),
                (_W, "e"),
            ],
        ),
        (
            "a<<1>>2<=3>=4",
            [
                (_W, "a"),
                (_O, "<<"),
                (_N, "1"),
                (_O, ">>"),
                (_N, "2"),
                (_O, "<="),
                (_N, "3"),
                (_O, ">="),
                (_N, "4"),
            ],
        ),
        ("s.a", [(_W, "s"), (_O, "."), (_W, "a")]),
        ("a--b\nc", [(_W, "a"), (_W, "c")]),
        ("a/*b*/c/*d", [(_W, "a"), (_W, "c")]),
        ("a -- end", [(_W, "a")]),
        ("\ufeffselect", [(_W, "select")]),
        ("", []),
    ],
)
def test_tokens_are_those_of_sqlite(text: str, expected: list[tuple[TokenKind, str]]) -> None:
    assert _kinds(text) == expected


@pytest.mark.parametrize(
    "text", ["'open", '"open', "`open", "[open", "1a", "1__0", "0x", "x'0'", "$", "!", "\\", "\v"]
)
def test_what_sqlite_refuses_is_illegal(text: str) -> None:
    assert any(token.kind is TokenKind.ILLEGAL for token in tokenize(text))
    with pytest.raises(apsw.SQLError):
        apsw.Connection(":memory:").execute(f"SELECT {text}")


@pytest.mark.parametrize(
    ("text", "name"),
    [("a", "a"), ('"a""b"', 'a"b'), ("`a``b`", "a`b"), ("[a b]", "a b"), ("'a''b'", "a'b")],
)
def test_a_name_is_read_without_its_quotes(text: str, name: str) -> None:
    assert name_of(tokenize(text)[0]) == name


def test_positions_point_into_the_text() -> None:
    text = "SELECT 'é' /* x */ , b"
    assert all(text[token.start : token.end] == token.text for token in tokenize(text))


def test_a_script_is_cut_at_semicolons_outside_of_quotes() -> None:
    script = "SELECT 1; -- a;b\n\n ;SELECT ';' /* ; */, 2;\nSELECT 3 -- tail"
    found = [(one.text, one.line) for one in split(script)]
    assert found == [("SELECT 1;", 1), ("SELECT ';' /* ; */, 2;", 3), ("SELECT 3", 4)]


def test_a_trigger_is_one_statement_when_sqlite_confirms() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; SELECT 2; END;"
    assert [one.text for one in split(trigger + "SELECT 3", apsw.complete)] == [trigger, "SELECT 3"]


def test_a_statement_knows_where_it_starts() -> None:
    script = "/* c */ SELECT 1;\n  SELECT 2"
    assert [script[one.start :][: len(one.text)] for one in split(script)] == [
        "SELECT 1;",
        "SELECT 2",
    ]


@pytest.mark.parametrize(
    ("text", "verb", "explain"),
    [
        ("select 1", "SELECT", ""),
        ("VALUES (1)", "VALUES", ""),
        (
            "WITH a AS (SELECT 1), b(x) AS NOT MATERIALIZED (SELECT 2) INSERT INTO t SELECT 1",
            "INSERT",
            "",
        ),
        ("WITH RECURSIVE a AS (SELECT 1 UNION SELECT 2) SELECT * FROM a", "SELECT", ""),
        ("WITH a AS (SELECT 1) DELETE FROM t", "DELETE", ""),
        ("REPLACE INTO t VALUES (1)", "REPLACE", ""),
        ("EXPLAIN UPDATE t SET a = 1", "UPDATE", "EXPLAIN"),
        ("EXPLAIN QUERY PLAN SELECT 1", "SELECT", "EXPLAIN QUERY PLAN"),
        ("BEGIN IMMEDIATE", "BEGIN", ""),
        ("-- nothing", "", ""),
        ("(", "", ""),
    ],
)
def test_the_kind_of_a_statement_is_its_verb(text: str, verb: str, explain: str) -> None:
    kind = classify(tokenize(text))
    assert (kind.verb, kind.explain) == (verb, explain)


def test_every_character_beyond_ascii_and_no_other_sign_may_be_in_a_name() -> None:
    """As SQLite's own tokenizer has it: its table of identifier characters ends at 0x7f."""
    inside = {chr(code) for code in range(0x180) if len(tokenize(f"a{chr(code)}b")) == 1}
    first = {
        chr(code) for code in range(0x180) if _kinds(f"{chr(code)}b") == [(_W, f"{chr(code)}b")]
    }
    letters = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    beyond = {chr(code) for code in range(0x80, 0x180)}

    assert inside == letters | set("0123456789$") | beyond
    assert first == letters | beyond
    assert len(tokenize("a\U0010ffff\ufeffb")) == 1
