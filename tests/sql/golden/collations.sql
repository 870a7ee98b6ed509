-- COLLATE BINARY says what holds anyway, but not for times.
SELECT * FROM sessions WHERE user_id = 'a' OR display_name = 'b' COLLATE BINARY;
--> sessions: pushed user_id = ?1 OR display_name = ?2 ['a', 'b']
SELECT * FROM sessions WHERE user_id COLLATE "binary" NOT IN ('a', ?1);
--> sessions: pushed user_id NOT IN (?1, ?2) ['a', ?1]
SELECT * FROM sessions WHERE NOT labels->>'env' = 'prod' COLLATE BINARY;
--> sessions: pushed labels->>'env' <> ?1 ['prod']
SELECT * FROM sessions WHERE NOT create_time > '2026-01-01' COLLATE BINARY;
--> sessions: here NOT create_time > '2026-01-01' COLLATE BINARY
SELECT * FROM sessions WHERE create_time COLLATE BINARY NOT IN ('2026-01-01');
--> sessions: here create_time COLLATE BINARY NOT IN ('2026-01-01')
SELECT * FROM sessions WHERE user_id = 'a' OR display_name COLLATE NOCASE = 'b' COLLATE BINARY;
--> sessions: here user_id = 'a' OR display_name COLLATE NOCASE = 'b' COLLATE BINARY
SELECT * FROM sessions WHERE user_id = 'a' OR display_name COLLATE BINARY = 'b' COLLATE NOCASE;
--> sessions: here user_id = 'a' OR display_name COLLATE BINARY = 'b' COLLATE NOCASE
SELECT * FROM sessions WHERE user_id = 'a' OR session_id COLLATE RTRIM = 'b';
--> sessions: here user_id = 'a' OR session_id COLLATE RTRIM = 'b'
