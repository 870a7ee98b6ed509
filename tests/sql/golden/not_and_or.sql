-- NOT moves down to the comparisons.
SELECT * FROM sessions WHERE NOT user_id = 'a';
--> sessions: pushed user_id <> ?1 ['a']
SELECT * FROM sessions WHERE NOT (user_id = 'a' OR user_id = 'b');
--> sessions: pushed user_id <> ?1 AND user_id <> ?2 ['a', 'b']
SELECT * FROM sessions WHERE NOT (user_id = 'a' AND display_name = 'b');
--> sessions: pushed user_id <> ?1 OR display_name <> ?2 ['a', 'b']
SELECT * FROM sessions WHERE NOT (NOT user_id = 'a');
--> sessions: pushed user_id = ?1 ['a']
SELECT * FROM sessions WHERE NOT user_id < 'a';
--> sessions: pushed user_id >= ?1 ['a']
SELECT * FROM sessions WHERE NOT user_id >= 'a';
--> sessions: pushed user_id < ?1 ['a']
SELECT * FROM sessions WHERE NOT user_id IS NULL;
--> sessions: offered NOT user_id IS NULL
SELECT * FROM sessions WHERE user_id NOT IN ('a', 'b');
--> sessions: pushed user_id NOT IN (?1, ?2) ['a', 'b']
SELECT * FROM sessions WHERE NOT user_id IN ('a', 'b');
--> sessions: pushed user_id NOT IN (?1, ?2) ['a', 'b']
SELECT * FROM sessions WHERE user_id NOT LIKE 'a%';
--> sessions: pushed user_id NOT LIKE ?1 ['a%']
SELECT * FROM sessions WHERE NOT user_id LIKE 'a%';
--> sessions: pushed user_id NOT LIKE ?1 ['a%']
SELECT * FROM sessions WHERE user_id NOT GLOB 'a*';
--> sessions: pushed NOT (user_id GLOB ?1) ['a*']
SELECT * FROM sessions WHERE create_time NOT BETWEEN ? AND ?;
--> sessions: pushed create_time < ?1 COLLATE TIMESTAMP OR create_time > ?2 COLLATE TIMESTAMP [?1, ?2]
SELECT * FROM sessions WHERE NOT create_time BETWEEN '2026-01-01' AND '2026-02-01';
--> sessions: pushed create_time < ?1 COLLATE TIMESTAMP OR create_time > ?2 COLLATE TIMESTAMP ['2026-01-01', '2026-02-01']
SELECT * FROM sessions WHERE labels->>'env' NOT IN ('dev', 'test');
--> sessions: pushed labels->>'env' NOT IN (?1, ?2) ['dev', 'test']
SELECT * FROM sessions WHERE labels->>'env' NOT LIKE 'd%';
--> sessions: pushed labels->>'env' NOT LIKE ?1 ['d%']

-- OR over columns is one predicate.
SELECT * FROM sessions WHERE user_id = 'a' OR user_id = 'b';
--> sessions: pushed user_id = ?1 OR user_id = ?2 ['a', 'b']
SELECT * FROM sessions WHERE user_id = 'a' OR display_name = 'b';
--> sessions: pushed user_id = ?1 OR display_name = ?2 ['a', 'b']
SELECT * FROM sessions WHERE user_id = ? OR labels->>'env' = ?;
--> sessions: pushed user_id = ?1 OR labels->>'env' = ?2 [?1, ?2]
SELECT * FROM sessions WHERE user_id = 'a' OR user_id IS NULL;
--> sessions: pushed user_id = ?1 OR user_id IS NULL ['a']
SELECT * FROM sessions WHERE (user_id = 'a' OR display_name = 'b') AND session_id = 'c';
--> sessions: pushed user_id = ?1 OR display_name = ?2 ['a', 'b']
--> sessions: offered session_id = 'c'
SELECT * FROM sessions WHERE (user_id = 'a' AND display_name = 'b') OR session_id = 'c';
--> sessions: pushed (user_id = ?1 AND display_name = ?2) OR session_id = ?3 ['a', 'b', 'c']
SELECT * FROM sessions WHERE user_id = 'a' OR (display_name = 'b' AND (session_id = 'c' OR session_id = 'd'));
--> sessions: pushed user_id = ?1 OR (display_name = ?2 AND (session_id = ?3 OR session_id = ?4)) ['a', 'b', 'c', 'd']
SELECT * FROM sessions WHERE user_id = 'a' OR NOT (display_name = 'b' OR labels->>'env' IN ('x', 'y'));
--> sessions: pushed user_id = ?1 OR (display_name <> ?2 AND labels->>'env' NOT IN (?3, ?4)) ['a', 'b', 'x', 'y']
SELECT * FROM sessions WHERE (user_id = 'a' OR user_id = 'b' OR user_id = 'c') AND (display_name = 'x' OR display_name = 'y');
--> sessions: pushed (user_id = ?1 OR user_id = ?2 OR user_id = ?3) AND (display_name = ?4 OR display_name = ?5) ['a', 'b', 'c', 'x', 'y']

-- What is not understood drops out of an AND, and makes an OR useless.
SELECT * FROM sessions WHERE user_id = 'a' OR length(display_name) > 3;
--> sessions: here user_id = 'a' OR length(display_name) > 3
SELECT * FROM sessions WHERE (user_id = 'a' AND length(display_name) > 3) OR user_id = 'b';
--> sessions: pushed user_id = ?1 OR user_id = ?2 ['a', 'b']
--> sessions: narrowed (user_id = 'a' AND length(display_name) > 3) OR user_id = 'b'
SELECT * FROM sessions WHERE NOT (user_id = 'a' OR length(display_name) > 3);
--> sessions: pushed user_id <> ?1 ['a']
--> sessions: narrowed NOT (user_id = 'a' OR length(display_name) > 3)
SELECT * FROM sessions WHERE NOT (user_id = 'a' AND length(display_name) > 3);
--> sessions: here NOT (user_id = 'a' AND length(display_name) > 3)
SELECT * FROM sessions WHERE length(display_name) > 3;
--> sessions: here length(display_name) > 3
SELECT * FROM sessions WHERE user_id = 'a' OR 1;
--> sessions: here user_id = 'a' OR 1
SELECT * FROM sessions WHERE ?1 IS NULL OR user_id = ?1;
--> sessions: pushed (?1 IS NULL OR user_id = ?1) [?1]
SELECT * FROM sessions WHERE user_id = 'a' OR user_id = 'b' COLLATE NOCASE;
--> sessions: here user_id = 'a' OR user_id = 'b' COLLATE NOCASE
SELECT * FROM sessions WHERE user_id = 'a' OR +user_id = 1;
--> sessions: here user_id = 'a' OR +user_id = 1
SELECT * FROM sessions WHERE user_id = 'a' OR user_id || '' = 'b';
--> sessions: here user_id = 'a' OR user_id || '' = 'b'
SELECT * FROM sessions WHERE user_id = 'a' OR user_id = x'61';
--> sessions: here user_id = 'a' OR user_id = x'61'
SELECT * FROM sessions WHERE user_id = 'a' OR session_number = 1e999;
--> sessions: here user_id = 'a' OR session_number = 1e999
SELECT * FROM sessions WHERE user_id = 'a' OR user_id IS 'b';
--> sessions: here user_id = 'a' OR user_id IS 'b'
SELECT * FROM sessions WHERE user_id = 'a' OR user_id = "b";
--> sessions: everything
SELECT * FROM sessions WHERE user_id = 'a' OR user_id = display_name;
--> sessions: here user_id = 'a' OR user_id = display_name
SELECT * FROM sessions WHERE user_id = 'a' OR user_id LIKE 'b!%' ESCAPE '!';
--> sessions: here user_id = 'a' OR user_id LIKE 'b!%' ESCAPE '!'
SELECT * FROM sessions WHERE user_id = 'a' OR (user_id, display_name) = ('b', 'c');
--> sessions: here user_id = 'a' OR (user_id, display_name) = ('b', 'c')
SELECT * FROM sessions WHERE user_id = 'a' OR user_id = 'b' IS NULL;
--> sessions: here user_id = 'a' OR user_id = 'b' IS NULL
SELECT * FROM sessions WHERE CASE WHEN user_id = 'a' THEN 1 ELSE display_name = 'b' END;
--> sessions: here CASE WHEN user_id = 'a' THEN 1 ELSE display_name = 'b' END
SELECT * FROM sessions WHERE user_id = 'a' OR user_id IN (SELECT author FROM native);
--> sessions: here user_id = 'a' OR user_id IN (SELECT author FROM native)
SELECT * FROM sessions WHERE user_id = 'a' OR create_time > datetime('now', '-1 day');
--> sessions: here user_id = 'a' OR create_time > datetime('now', '-1 day')
SELECT * FROM sessions WHERE user_id IN () OR user_id = 'a';
--> sessions: here user_id IN () OR user_id = 'a'

-- lower() without NOT means the same without case.
SELECT * FROM sessions WHERE lower(user_id) = 'ann';
--> sessions: pushed user_id = ?1 COLLATE NOCASE ['ann']
--> sessions: narrowed lower(user_id) = 'ann'
SELECT * FROM sessions WHERE upper(display_name) = ? OR user_id = ?;
--> sessions: pushed display_name = ?1 COLLATE NOCASE OR user_id = ?2 [?1, ?2]
--> sessions: narrowed upper(display_name) = ?1 OR user_id = ?2
SELECT * FROM sessions WHERE NOT lower(user_id) = 'ann';
--> sessions: here NOT lower(user_id) = 'ann'
SELECT * FROM sessions WHERE lower(user_id) <> 'ann';
--> sessions: here lower(user_id) <> 'ann'
SELECT * FROM sessions WHERE lower(labels->>'env') = 'prod';
--> sessions: here lower(labels->>'env') = 'prod'
SELECT * FROM sessions WHERE lower(user_id) LIKE 'a%';
--> sessions: here lower(user_id) LIKE 'a%'
