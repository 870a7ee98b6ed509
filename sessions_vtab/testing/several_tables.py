"""Queries that put tables together: joins, subqueries, compounds, WITH. For ``shapes``."""

from __future__ import annotations

from typing import Final


def statements(text: str) -> tuple[str, ...]:
    """The statements of a text, each of which ends with a semicolon at the end of a line."""
    return tuple(" ".join(one.split()) for one in text.split(";\n") if one.strip())


JOINS: Final = statements("""
    SELECT s.name, e.name FROM {sessions} s JOIN {events} e ON e.session_id = s.session_id;
    SELECT s.name, e.name FROM {events} e JOIN {sessions} s ON e.session_id = s.session_id;
    SELECT s.name, e.name FROM {sessions} s, {events} e WHERE e.session_name = s.name;
    SELECT s.name, e.name FROM {sessions} s JOIN {events} e USING (session_id);
    SELECT s.name, e.name FROM {sessions} s CROSS JOIN {events} e WHERE e.session_id = s.session_id
        AND s.user_id = 'ann';
    SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id;
    SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id
        AND e.author = 'user';
    SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id
        WHERE e.author = 'user';
    SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b ON b.display_name LIKE 'none%';
    SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b ON b.user_id = a.user_id
        AND b.display_name LIKE 'p%';
    SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id
        WHERE e.name IS NULL;
    SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id
        AND s.user_id = 'ann';
    SELECT s.name, e.name FROM {sessions} s LEFT JOIN {events} e ON e.timestamp = s.create_time
        WHERE s.user_id <> 'ann';
    SELECT s.name, e.name FROM {sessions} s RIGHT JOIN {events} e ON e.session_id = s.session_id
        AND s.user_id = 'ann';
    SELECT s.name, e.name FROM {sessions} s FULL JOIN {events} e ON e.session_id = s.session_id
        AND e.author = 'agent';
    SELECT s.name, e.name FROM {sessions} s FULL JOIN {events} e ON e.session_id = s.session_id
        WHERE s.user_id = 'ann' OR e.author = 'agent';
    SELECT a.name, b.name FROM {sessions} a JOIN {sessions} b ON a.user_id = b.user_id
        AND a.name < b.name;
    SELECT a.name, b.name FROM {sessions} a JOIN {sessions} b ON a.create_time = b.create_time
        WHERE a.name < b.name;
    SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b ON b.display_name = a.user_id;
    SELECT a.name, b.name FROM {sessions} a LEFT JOIN {sessions} b ON b.create_time > a.create_time
        AND b.user_id = a.user_id;
    SELECT a.name, b.name, e.name FROM {sessions} a JOIN {sessions} b USING (user_id)
        JOIN {events} e ON e.session_id = b.session_id WHERE a.session_id = 's-a';
    SELECT s.name, p.age FROM {sessions} s JOIN people p ON p.user_id = s.user_id;
    SELECT s.name, p.age FROM {sessions} s JOIN people p ON p.age = s.user_id;
    SELECT s.name, p.age FROM people p JOIN {sessions} s ON s.user_id = p.age;
    SELECT s.name, p.age FROM people p LEFT JOIN {sessions} s ON s.user_id = p.user_id;
    SELECT s.name, p.age FROM {sessions} s JOIN people p ON p.nick = s.user_id;
    SELECT s.name, p.age FROM {sessions} s JOIN people p ON s.user_id = p.nick;
    SELECT s.name, p.age FROM {sessions} s RIGHT JOIN people p ON p.user_id = s.user_id;
    SELECT s.name, n.n FROM {sessions} s JOIN numbers n ON n.n = s.session_id;
    SELECT s.name, n.n FROM numbers n JOIN {sessions} s ON s.session_id = n.n;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id = n.n;
    SELECT s.name, n.r FROM numbers n CROSS JOIN {sessions} s ON s.session_id = n.r;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id = n.x;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id > n.n;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.session_id < n.n;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON NOT s.session_id <= n.r;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.create_time = n.n;
    SELECT s.name, n.n FROM numbers n CROSS JOIN {sessions} s ON s.create_time > n.r;
    SELECT s.name, m.label FROM {sessions} s JOIN moments m ON s.create_time = m.t;
    SELECT s.name, m.label FROM {sessions} s JOIN moments m ON m.t = s.create_time;
    SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON s.create_time = m.t;
    SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON m.t = s.create_time;
    SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON s.create_time < m.t;
    SELECT s.name, m.label FROM moments m CROSS JOIN {sessions} s ON m.t > s.create_time;
    SELECT s.name, m.label FROM moments m LEFT JOIN {sessions} s ON s.create_time >= m.t
        AND s.user_id = 'ann';
    SELECT w.rank, s.name FROM wanted w LEFT JOIN {sessions} s ON s.name = w.name;
    SELECT w.rank, s.name FROM wanted w LEFT JOIN {sessions} s ON s.session_id = w.session_id;
    SELECT w.rank, s.name FROM wanted w LEFT JOIN {sessions} s ON s.session_id IS w.session_id;
    SELECT s.name, w.rank FROM {sessions} s LEFT JOIN wanted w ON w.session_id = s.session_id;
    SELECT count(*) FROM {sessions} NATURAL JOIN people;
    SELECT s.name, x.value FROM {sessions} s, json_each(s.labels) x;
    SELECT s.name, x.key FROM {sessions} s LEFT JOIN json_each(s.state) x ON x.type = 'true';
""")

SUBQUERIES: Final = statements("""
    SELECT name FROM {sessions} s WHERE EXISTS (SELECT 1 FROM {events} e
        WHERE e.session_id = s.session_id);
    SELECT name FROM {sessions} s WHERE NOT EXISTS (SELECT 1 FROM {events} e
        WHERE e.session_id = s.session_id AND e.author = 'agent');
    SELECT name FROM {sessions} s WHERE EXISTS (SELECT 1 FROM {sessions} t
        WHERE t.user_id = s.user_id AND t.create_time > s.create_time);
    SELECT name, (SELECT count(*) FROM {events} e WHERE e.session_id = s.session_id)
        FROM {sessions} s;
    SELECT name, (SELECT text FROM {events} e WHERE e.session_id = s.session_id
        ORDER BY timestamp DESC, name LIMIT 1) FROM {sessions} s;
    SELECT name, (SELECT max(timestamp) FROM {events} e WHERE e.session_id = s.session_id
        AND e.timestamp > s.create_time) FROM {sessions} s WHERE user_id IN ('ann', 'bob');
    SELECT name FROM {sessions} s WHERE create_time = (SELECT max(create_time) FROM {sessions} t
        WHERE t.user_id = s.user_id);
    SELECT name FROM {sessions} WHERE display_name > (SELECT min(display_name) FROM {sessions});
    SELECT name FROM (SELECT * FROM {sessions} WHERE user_id = 'ann') WHERE display_name > 'a';
    SELECT name FROM (SELECT name, create_time AS t FROM {sessions}) WHERE t > '2026-01-01T10:00';
    SELECT s.name FROM {sessions} s JOIN (SELECT DISTINCT session_id
        FROM {events}) e USING (session_id);
    SELECT s.name, c FROM {sessions} s LEFT JOIN (SELECT session_id, count(*) AS c FROM {events}
        GROUP BY session_id) e ON e.session_id = s.session_id;
    SELECT p.user_id, (SELECT count(*) FROM {sessions} s WHERE s.user_id = p.user_id) FROM people p;
    SELECT p.age, (SELECT count(*) FROM {sessions} s WHERE s.user_id = p.age) FROM people p;
    SELECT p.age FROM people p WHERE p.user_id IN (SELECT user_id FROM {sessions});
    SELECT p.age FROM people p WHERE p.age IN (SELECT user_id FROM {sessions});
    SELECT m.label FROM moments m WHERE m.t IN (SELECT create_time FROM {sessions});
    SELECT name, user_id = ANY_USER FROM {sessions}, (SELECT min(user_id) AS ANY_USER
        FROM {sessions});
    SELECT CASE WHEN EXISTS (SELECT 1 FROM {sessions} WHERE user_id = 'ann') THEN 1 END;
    SELECT name FROM {sessions} WHERE (SELECT count(*) FROM {events}) > 3;
""")

COMPOUNDS: Final = statements("""
    SELECT user_id FROM {sessions} UNION SELECT author FROM {events};
    SELECT user_id FROM {sessions} UNION ALL SELECT author FROM {events};
    SELECT session_id FROM {sessions} INTERSECT SELECT session_id FROM {events};
    SELECT session_id FROM {sessions} EXCEPT SELECT session_id FROM {events};
    SELECT create_time FROM {sessions} UNION SELECT timestamp FROM {events};
    SELECT create_time FROM {sessions} INTERSECT SELECT t FROM moments;
    SELECT create_time FROM {sessions} EXCEPT SELECT t FROM moments;
    SELECT t FROM moments EXCEPT SELECT create_time FROM {sessions};
    SELECT name FROM {sessions} WHERE user_id = 'ann' UNION SELECT name FROM {sessions}
        WHERE display_name = 'PLAIN';
    SELECT name FROM (SELECT name, user_id FROM {sessions} UNION ALL SELECT name, author
        FROM {events}) WHERE user_id = 'ann';
    VALUES (1) UNION SELECT count(*) FROM {sessions};
""")

WITH: Final = statements("""
    WITH a AS (SELECT * FROM {sessions} WHERE user_id = 'ann') SELECT name FROM a;
    WITH a AS (SELECT * FROM {sessions}) SELECT x.name FROM a x JOIN a y USING (user_id)
        WHERE x.name < y.name;
    WITH a AS MATERIALIZED (SELECT * FROM {sessions}) SELECT name FROM a WHERE user_id = 'ann';
    WITH a AS NOT MATERIALIZED (SELECT * FROM {sessions}) SELECT name FROM a
        WHERE create_time > '2026-01-01T10:00:00+01:00';
    WITH a AS MATERIALIZED (SELECT name, create_time FROM {sessions}) SELECT x.name, y.name FROM a x
        LEFT JOIN a y ON y.create_time = x.create_time;
    WITH sessions AS (SELECT 'x' AS name) SELECT name FROM sessions;
    WITH RECURSIVE r(n, name) AS (SELECT 1, name FROM {sessions} WHERE user_id = 'ann' UNION ALL
        SELECT n + 1, name FROM r WHERE n < 3) SELECT n, name FROM r;
    WITH RECURSIVE r(name) AS (SELECT min(name) FROM {sessions} UNION ALL SELECT (SELECT min(name)
        FROM {sessions} s WHERE s.name > r.name) FROM r WHERE r.name IS NOT NULL) SELECT name
        FROM r;
    WITH a(k) AS (VALUES ('s-a'), ('1'), (NULL)) SELECT name FROM {sessions}
        WHERE session_id IN (SELECT k FROM a);
    WITH c AS (SELECT session_id, count(*) AS n FROM {events} GROUP BY 1) SELECT name, n
        FROM {sessions} LEFT JOIN c USING (session_id);
""")
