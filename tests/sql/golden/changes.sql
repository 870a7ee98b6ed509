-- UPDATE and DELETE carry their plan in WHERE.
UPDATE sessions SET display_name = 'x' WHERE labels->>'env' = 'prod';
--> sessions: pushed labels->>'env' = ?1 ['prod']
UPDATE sessions SET display_name = ? WHERE labels->>'env' = ? AND user_id = ?;
--> sessions: pushed labels->>'env' = ?1 [?2]
--> sessions: offered user_id = ?3
UPDATE main.sessions AS s SET display_name = 'x' WHERE NOT s.user_id = 'a' RETURNING *;
--> s: pushed user_id <> ?1 ['a']
UPDATE sessions SET display_name = 'x' WHERE session_id = 'a';
--> sessions: offered session_id = 'a'
UPDATE sessions SET display_name = 'x';
--> sessions: everything
UPDATE OR IGNORE sessions SET display_name = 'x' WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
UPDATE sessions SET display_name = n.x FROM native n WHERE n.id = session_id AND labels->>'env' = 'prod';
--> sessions: pushed labels->>'env' = ?1 ['prod']
UPDATE sessions SET display_name = e.author FROM events e WHERE e.session_id = sessions.session_id AND NOT e.author = 'a';
--> sessions: from e.session_id to session_id
--> e: pushed author <> ?1 ['a']
--> e: from sessions.session_id to session_id
UPDATE sessions SET display_name = (SELECT max(author) FROM events e WHERE e.session_id = sessions.session_id AND NOT e.author = 'a');
--> sessions: everything
--> e: pushed author <> ?1 ['a']
--> e: offered e.session_id = sessions.session_id
--> e: from sessions.session_id to session_id
UPDATE native SET x = 1 WHERE id IN (SELECT session_id FROM sessions WHERE NOT user_id = 'a');
--> sessions: pushed user_id <> ?1 ['a']
DELETE FROM sessions WHERE labels->>'env' = 'dev' OR display_name IS NULL;
--> sessions: pushed labels->>'env' = ?1 OR display_name IS NULL ['dev']
DELETE FROM sessions WHERE NOT user_id = 'a' RETURNING name;
--> sessions: pushed user_id <> ?1 ['a']
DELETE FROM sessions AS s WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.session_id AND NOT e.author = 'a');
--> s: everything
--> e: pushed author <> ?1 ['a']
--> e: offered e.session_id = s.session_id
--> e: from s.session_id to session_id
DELETE FROM sessions;
--> sessions: everything

-- INSERT reads through its SELECT.
INSERT INTO native SELECT session_id FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
INSERT INTO sessions(session_id, user_id) SELECT session_id, user_id FROM prod.sessions WHERE labels->>'env' = 'prod' ON CONFLICT DO NOTHING;
--> sessions: pushed labels->>'env' = ?1 ['prod']
INSERT INTO sessions(session_id) VALUES ('a');
--> nothing
WITH x AS (SELECT * FROM sessions WHERE NOT user_id = 'a') INSERT INTO native SELECT session_id FROM x;
--> sessions: pushed user_id <> ?1 ['a']
INSERT OR REPLACE INTO sessions(session_id) VALUES ('a');
--> UnsupportedError: sessions: REPLACE is not possible, because the service has no such operation. Use UPDATE sessions SET .. for existing rows, or INSERT OR IGNORE to skip them.
REPLACE INTO sessions(session_id) VALUES ('a');
--> UnsupportedError: sessions: REPLACE is not possible, because the service has no such operation. Use UPDATE sessions SET .. for existing rows, or INSERT OR IGNORE to skip them.
INSERT INTO sessions(session_id) VALUES ('a') ON CONFLICT (name) DO UPDATE SET display_name = 'x';
--> UnsupportedError: sessions: ON CONFLICT DO UPDATE is not possible, because the service has no such operation. Use UPDATE sessions SET .. for existing rows, or INSERT OR IGNORE to skip them.
REPLACE INTO native SELECT session_id FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']

-- Functions that act.
SELECT event_id FROM append_event('s', 'user', 'hello');
--> nothing
SELECT e.event_id FROM sessions s, append_event(s.session_id, 'user', 'hello') e WHERE s.labels->>'env' = 'prod';
--> s: pushed labels->>'env' = ?1 ['prod']
SELECT e.event_id FROM sessions s LEFT JOIN append_event(s.session_id, 'user', 'hello') e;
--> UnsupportedError: append_event() has side effects and must run exactly once for each row of its arguments, which SQLite cannot guarantee with an outer or natural join. Put the rest into one subquery: FROM (SELECT ..) A
SELECT e.event_id FROM (SELECT * FROM sessions WHERE NOT user_id = 'a' LIMIT 5) s, append_event(s.session_id, 'user', 'hello') e;
--> sessions: pushed user_id <> ?1 ['a']
--> sessions: limit 5
