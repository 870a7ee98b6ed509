-- Correlated subqueries: columns of the query around count as values.
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.session_id);
--> s: everything
--> e: offered e.session_id = s.session_id
--> e: from s.session_id to session_id
SELECT * FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.session_id AND NOT e.author = 'a');
--> s: everything
--> e: pushed author <> ?1 ['a']
--> e: offered e.session_id = s.session_id
--> e: from s.session_id to session_id
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE e.author = s.user_id OR e.author = 'a');
--> s: everything
--> e: pushed author = ?1 OR author = ?2 [s.user_id, 'a']
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE NOT e.author = user_id);
--> s: everything
--> e: pushed author <> ?1 [user_id]
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE e.author = s.session_number OR e.author = 'a');
--> s: everything
--> e: here e.author = s.session_number OR e.author = 'a'
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE e.author = s.create_time OR e.author = 'a');
--> s: everything
--> e: here e.author = s.create_time OR e.author = 'a'
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE NOT e.timestamp > s.create_time);
--> s: everything
--> e: pushed timestamp <= ?1 COLLATE TIMESTAMP [s.create_time]
SELECT * FROM sessions s WHERE EXISTS (SELECT 1 FROM events e WHERE e.content->>'role' = s.user_id);
--> s: everything
--> e: here e.content->>'role' = s.user_id
SELECT * FROM native n WHERE EXISTS (SELECT 1 FROM events e WHERE NOT e.author = n.x);
--> e: everything
SELECT * FROM native n WHERE EXISTS (SELECT 1 FROM events e WHERE NOT e.author = x);
--> e: everything
SELECT (SELECT count(*) FROM events e WHERE e.session_id = s.session_id AND e.author NOT IN ('a')) FROM sessions s;
--> e: pushed author NOT IN (?1) ['a']
--> e: offered e.session_id = s.session_id
--> e: from s.session_id to session_id
--> s: everything
SELECT * FROM sessions WHERE session_id IN (SELECT session_id FROM events WHERE NOT author = 'a');
--> sessions: here session_id IN (SELECT session_id FROM events WHERE NOT author = 'a')
--> events: pushed author <> ?1 ['a']
SELECT * FROM events WHERE session_id IN (SELECT session_id FROM sessions WHERE labels->>'env' = 'prod');
--> events: here session_id IN (SELECT session_id FROM sessions WHERE labels->>'env' = 'prod')
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM events WHERE session_id NOT IN (SELECT session_id FROM sessions WHERE labels->>'env' = 'prod');
--> events: here session_id NOT IN (SELECT session_id FROM sessions WHERE labels->>'env' = 'prod')
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions s ORDER BY (SELECT max(timestamp) FROM events e WHERE e.session_id = s.session_id AND NOT e.author = 'a');
--> s: order (SELECT max(timestamp) FROM events e WHERE e.session_id = s.session_id AND NOT e.author = 'a')
--> e: pushed author <> ?1 ['a']
--> e: offered e.session_id = s.session_id
--> e: from s.session_id to session_id
SELECT user_id, count(*) FROM sessions GROUP BY user_id HAVING count(*) > (SELECT count(*) FROM events WHERE NOT author = 'a');
--> sessions: everything
--> events: pushed author <> ?1 ['a']

-- Subqueries in FROM and common table expressions.
SELECT * FROM (SELECT * FROM sessions WHERE NOT user_id = 'a') x WHERE NOT x.user_id = 'b';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM (SELECT * FROM sessions) WHERE labels->>'env' = 'prod';
--> sessions: everything
WITH x AS (SELECT * FROM sessions WHERE labels->>'env' = 'prod') SELECT * FROM x WHERE NOT user_id = 'a';
--> sessions: pushed labels->>'env' = ?1 ['prod']
WITH x AS MATERIALIZED (SELECT * FROM sessions WHERE labels->>'env' = ?) SELECT * FROM x, events e WHERE e.session_id = x.session_id;
--> sessions: pushed labels->>'env' = ?1 [?1]
--> e: everything
WITH sessions AS (SELECT 1 AS user_id) SELECT * FROM sessions WHERE NOT user_id = 'a';
--> nothing
WITH sessions AS (SELECT 1 AS user_id) SELECT * FROM main.sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n, sessions WHERE NOT user_id = 'a') SELECT * FROM n;
--> sessions: pushed user_id <> ?1 ['a']
WITH x AS (SELECT 1), y AS (SELECT * FROM events WHERE NOT author = 'a') SELECT * FROM y, sessions WHERE NOT sessions.user_id = 'b';
--> events: pushed author <> ?1 ['a']
--> sessions: pushed user_id <> ?1 ['b']

-- Compounds, windows, groups.
SELECT name FROM sessions WHERE NOT user_id = 'a' UNION ALL SELECT name FROM events WHERE NOT author = 'b';
--> sessions: pushed user_id <> ?1 ['a']
--> events: pushed author <> ?1 ['b']
SELECT name FROM sessions EXCEPT SELECT name FROM sessions WHERE NOT user_id = 'a' ORDER BY 1 LIMIT 3;
--> sessions: everything
--> sessions: pushed user_id <> ?1 ['a']
SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY create_time) FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT user_id, count(*) FILTER (WHERE display_name <> 'x') FROM sessions WHERE NOT user_id = 'a' GROUP BY 1;
--> sessions: pushed user_id <> ?1 ['a']
SELECT DISTINCT user_id FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM sessions, json_each(sessions.labels) j WHERE NOT sessions.user_id = 'a' AND j.key = 'env';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM native WHERE NOT x = 'a';
--> nothing
SELECT * FROM sessions('a');
--> UnsupportedError: sessions is a table and takes no arguments; use WHERE.
SELECT * FROM sessions WHERE _push = 'a';
--> UnsupportedError: _push is reserved for internal use; leave it out.
EXPLAIN QUERY PLAN SELECT * FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
EXPLAIN SELECT * FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
CREATE VIEW v AS SELECT * FROM sessions WHERE NOT user_id = 'a';
--> nothing
CREATE TEMP TABLE t AS SELECT * FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
