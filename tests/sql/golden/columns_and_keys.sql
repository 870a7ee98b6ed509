-- One comparison of a column with a value reaches the virtual table without help.
SELECT * FROM sessions WHERE user_id = 'u';
--> sessions: offered user_id = 'u'
SELECT * FROM sessions WHERE 'u' = user_id AND session_id > ?;
--> sessions: offered 'u' = user_id
--> sessions: offered session_id > ?1
SELECT * FROM sessions WHERE create_time >= '2026-01-01' AND create_time < '2026-02-01';
--> sessions: offered create_time >= '2026-01-01'
--> sessions: offered create_time < '2026-02-01'
SELECT * FROM sessions WHERE create_time BETWEEN ? AND ?;
--> sessions: offered create_time BETWEEN ?1 AND ?2
SELECT * FROM sessions WHERE user_id IN ('a', 'b', ?);
--> sessions: offered user_id IN ('a', 'b', ?1)
SELECT * FROM sessions WHERE display_name LIKE 'Tour%' AND display_name GLOB 'T*';
--> sessions: offered display_name LIKE 'Tour%'
--> sessions: offered display_name GLOB 'T*'
SELECT * FROM sessions WHERE display_name IS NULL AND user_id IS NOT NULL;
--> sessions: offered display_name IS NULL
--> sessions: offered user_id IS NOT NULL
SELECT * FROM sessions WHERE display_name ISNULL AND user_id NOTNULL;
--> sessions: offered display_name ISNULL
--> sessions: offered user_id NOTNULL
SELECT * FROM sessions WHERE user_id <> 'a' AND user_id != 'b';
--> sessions: offered user_id <> 'a'
--> sessions: offered user_id != 'b'
SELECT count(*) FROM sessions;
--> sessions: everything

-- A label is never offered by SQLite.
SELECT * FROM sessions WHERE labels->>'env' = 'prod';
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions WHERE labels->>'$.env' = 'prod';
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions WHERE json_extract(labels, '$.env') = 'prod';
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions WHERE 'prod' = labels->>'env';
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions WHERE labels->>'$."a.b"' = 'x';
--> sessions: pushed labels->>'a.b' = ?1 ['x']
SELECT * FROM sessions WHERE labels->>'a.b' = 'x';
--> sessions: pushed labels->>'a.b' = ?1 ['x']
SELECT * FROM sessions WHERE labels->>'it''s' = 'x';
--> sessions: pushed labels->>'it''s' = ?1 ['x']
SELECT * FROM sessions WHERE (labels->>'env') = ('prod');
--> sessions: pushed labels->>'env' = ?1 ['prod']
SELECT * FROM sessions WHERE labels->>'env' IN ('prod', ?);
--> sessions: pushed labels->>'env' IN (?1, ?2) ['prod', ?1]
SELECT * FROM sessions WHERE labels->>'env' IS NULL;
--> sessions: pushed labels->>'env' IS NULL
SELECT * FROM sessions WHERE labels->>'env' IS NOT NULL;
--> sessions: pushed labels->>'env' IS NOT NULL
SELECT * FROM sessions WHERE labels->>'env' LIKE 'p%';
--> sessions: pushed labels->>'env' LIKE ?1 ['p%']
SELECT * FROM sessions WHERE labels->>'n' BETWEEN 1 AND 5;
--> sessions: pushed labels->>'n' >= ?1 AND labels->>'n' <= ?2 [1, 5]
SELECT * FROM sessions WHERE labels->>'env' <> 'prod';
--> sessions: pushed labels->>'env' <> ?1 ['prod']
SELECT * FROM sessions WHERE labels->>'env' = 'prod' AND labels->>'team' = ? AND user_id = ?;
--> sessions: pushed labels->>'env' = ?1 AND labels->>'team' = ?2 ['prod', ?1]
--> sessions: offered user_id = ?2
SELECT * FROM sessions WHERE state->>'step' >= 3;
--> sessions: pushed state->>'step' >= ?1 [3]

-- Paths that are no single key stay here.
SELECT * FROM sessions WHERE state->>'$.a.b' = 1;
--> sessions: here state->>'$.a.b' = 1
SELECT * FROM sessions WHERE state->>'$.a[0]' = 1;
--> sessions: here state->>'$.a[0]' = 1
SELECT * FROM sessions WHERE state->>0 = 1;
--> sessions: here state->>0 = 1
SELECT * FROM sessions WHERE state->>? = 1;
--> sessions: here state->>?1 = 1
SELECT * FROM sessions WHERE state->>'[0]' = 1;
--> sessions: here state->>'[0]' = 1
SELECT * FROM sessions WHERE state->'a' = '1';
--> sessions: here state->'a' = '1'
SELECT * FROM sessions WHERE json_extract(state, '$.a', '$.b') = '[1,2]';
--> sessions: here json_extract(state, '$.a', '$.b') = '[1,2]'
SELECT * FROM sessions WHERE user_id->>'a' = 'x';
--> sessions: here user_id->>'a' = 'x'

-- A column that stands alone is true unless it is 0 or NULL.
SELECT * FROM sessions WHERE is_irrelevant;
--> sessions: pushed is_irrelevant <> ?1 [0]
SELECT * FROM sessions WHERE NOT deleted;
--> sessions: pushed deleted = ?1 [0]
SELECT * FROM sessions WHERE user_id;
--> sessions: here user_id

-- Parameter columns echo what WHERE gives them: no condition on rows.
SELECT * FROM sessions WHERE page_size = 50 AND filter = 'user_id="a"';
--> sessions: offered page_size = 50
--> sessions: offered filter = 'user_id="a"'
SELECT * FROM sessions WHERE page_size = 50 AND (page_size = 50 OR user_id = 'a');
--> sessions: offered page_size = 50
--> sessions: here (page_size = 50 OR user_id = 'a')
