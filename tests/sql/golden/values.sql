-- Parameters are numbered as SQLite numbers them.
SELECT * FROM sessions WHERE labels->>'a' = ? AND labels->>'b' = ?;
--> sessions: pushed labels->>'a' = ?1 AND labels->>'b' = ?2 [?1, ?2]
SELECT * FROM sessions WHERE labels->>'a' = ?2 AND labels->>'b' = ?1;
--> sessions: pushed labels->>'a' = ?1 AND labels->>'b' = ?2 [?2, ?1]
SELECT * FROM sessions WHERE labels->>'a' = :x AND labels->>'b' = :y AND labels->>'c' = :x;
--> sessions: pushed labels->>'a' = ?1 AND labels->>'b' = ?2 AND labels->>'c' = ?1 [?1, ?2]
SELECT * FROM sessions WHERE labels->>'a' = @x AND labels->>'b' = $y AND labels->>'c' = ?;
--> sessions: pushed labels->>'a' = ?1 AND labels->>'b' = ?2 AND labels->>'c' = ?3 [?1, ?2, ?3]
SELECT * FROM sessions WHERE labels->>'a' = ?5 AND labels->>'b' = ?;
--> sessions: pushed labels->>'a' = ?1 AND labels->>'b' = ?2 [?5, ?6]
SELECT ? FROM sessions WHERE labels->>'a' = ?;
--> sessions: pushed labels->>'a' = ?1 [?2]

-- Literals.
SELECT * FROM sessions WHERE session_number = 1 OR session_number = -1.5;
--> sessions: pushed session_number = ?1 OR session_number = ?2 [1, -1.5]
SELECT * FROM sessions WHERE session_number = 1_000 OR session_number = 0x10;
--> sessions: pushed session_number = ?1 OR session_number = ?2 [1000, 16]
SELECT * FROM sessions WHERE session_number = 0xFFFFFFFFFFFFFFFF OR session_number = 1;
--> sessions: here session_number = 0xFFFFFFFFFFFFFFFF OR session_number = 1
SELECT * FROM sessions WHERE session_number = 1e3 OR session_number = .5;
--> sessions: pushed session_number = ?1 OR session_number = ?2 [1e3, 0.5]
SELECT * FROM sessions WHERE session_number = TRUE OR is_irrelevant = FALSE;
--> sessions: pushed session_number = ?1 OR is_irrelevant = ?2 [1, 0]
SELECT * FROM sessions WHERE user_id = NULL OR display_name = '';
--> sessions: pushed user_id = ?1 OR display_name = ?2 [NULL, '']
SELECT * FROM sessions WHERE NOT user_id = 'it''s';
--> sessions: pushed user_id <> ?1 ['it''s']
SELECT * FROM sessions WHERE labels->>'a' = 'x' AND labels->>'b' = 'x';
--> sessions: pushed labels->>'a' = ?1 AND labels->>'b' = ?1 ['x']
SELECT * FROM sessions WHERE user_id NOT IN (NULL, 'a');
--> sessions: pushed user_id NOT IN (?1, ?2) [NULL, 'a']

-- Times have to be times.
SELECT * FROM sessions WHERE create_time > 'now';
--> InvalidValueError: prod.sessions.create_time must be a time such as '2026-01-01', '2026-01-01 09:00:00.123', '2026-01-01T10:00:00+01:00' or epoch seconds; 'now' is not a valid time.
SELECT * FROM sessions WHERE create_time = '2026-3-1' OR user_id = 'a';
--> InvalidValueError: prod.sessions.create_time must be a time such as '2026-01-01', '2026-01-01 09:00:00.123', '2026-01-01T10:00:00+01:00' or epoch seconds; '2026-3-1' is not a valid time.
SELECT * FROM events WHERE timestamp NOT IN ('2026-01-01', 'yesterday');
--> InvalidValueError: prod.events.timestamp must be a time such as '2026-01-01', '2026-01-01 09:00:00.123', '2026-01-01T10:00:00+01:00' or epoch seconds; 'yesterday' is not a valid time.
SELECT * FROM sessions WHERE create_time LIKE '2026-01%';
--> sessions: offered create_time LIKE '2026-01%'
SELECT * FROM sessions WHERE NOT create_time > '2026-01-01T10:00:00+02:00';
--> sessions: pushed create_time <= ?1 COLLATE TIMESTAMP ['2026-01-01T10:00:00+02:00']
SELECT * FROM sessions WHERE create_time > 1767225600 OR create_time IS NULL;
--> sessions: pushed create_time > ?1 COLLATE TIMESTAMP OR create_time IS NULL [1767225600]

-- Names are read without case and in every quote.
SELECT * FROM SESSIONS WHERE NOT User_Id = 'a';
--> SESSIONS: pushed user_id <> ?1 ['a']
SELECT * FROM "sessions" WHERE NOT "user_id" = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM [sessions] WHERE NOT [user_id] = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM `sessions` WHERE NOT `user_id` = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM sessions WHERE NOT sessions.user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM main.sessions WHERE NOT main.sessions.user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM prod.sessions AS s WHERE NOT s.user_id = 'a';
--> s: pushed user_id <> ?1 ['a']
SELECT * FROM sessions /* NOT */ WHERE -- user_id = 'x'
  NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM sessions WHERE NOT nosuch = 'a';
--> sessions: everything
SELECT user_id AS who FROM sessions WHERE NOT who = 'a';
--> sessions: everything
SELECT display_name AS user_id FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM sessions WHERE NOT ttl = 'a' OR update_mask = 'b';
--> sessions: pushed ttl <> ?1 OR update_mask = ?2 ['a', 'b']

-- CAST of a key to text is read through where every key is text by the contract: of labels.
SELECT * FROM sessions WHERE CAST(json_extract(labels, '$."env"') AS VARCHAR) = 'prod';
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions WHERE CAST(labels->>'env' AS text) IN ('a', ?);
--> sessions: pushed labels->>'env' IN (?1, ?2) ['a', ?1]
SELECT * FROM sessions WHERE CAST(labels->>'env' AS integer) = 3;
--> sessions: here CAST(labels->>'env' AS integer) = 3
SELECT * FROM sessions WHERE CAST(state->>'step' AS text) = '3';
--> sessions: here CAST(state->>'step' AS text) = '3'
SELECT * FROM sessions WHERE CAST(user_id AS text) = 'ann';
--> sessions: here CAST(user_id AS text) = 'ann'
