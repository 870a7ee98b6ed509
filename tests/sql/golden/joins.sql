-- An inner join: each side gets its own conjuncts.
SELECT * FROM sessions s JOIN events e ON e.session_id = s.session_id WHERE NOT s.user_id = 'a' AND NOT e.author = 'b';
--> s: pushed user_id <> ?1 ['a']
--> s: from e.session_id to session_id
--> e: pushed author <> ?1 ['b']
--> e: from s.session_id to session_id
SELECT * FROM sessions s JOIN events e ON e.session_id = s.session_id AND NOT e.author = 'b' AND NOT s.user_id = 'a';
--> s: pushed user_id <> ?1 ['a']
--> s: from e.session_id to session_id
--> e: pushed author <> ?1 ['b']
--> e: from s.session_id to session_id
SELECT * FROM sessions s, events e WHERE e.session_id = s.session_id AND (e.author = 'a' OR e.text IS NULL);
--> s: from e.session_id to session_id
--> e: pushed author = ?1 OR text IS NULL ['a']
--> e: from s.session_id to session_id
SELECT * FROM sessions s, events e WHERE e.session_id = s.session_id AND NOT (e.author = 'a' OR s.user_id = 'b');
--> s: pushed user_id <> ?1 ['b']
--> s: from e.session_id to session_id
--> e: pushed author <> ?1 ['a']
--> e: from s.session_id to session_id
SELECT * FROM sessions s, events e WHERE (s.user_id <> 'a' AND e.author <> 'b') OR (s.user_id <> 'c' AND e.author = 'd');
--> s: pushed user_id <> ?1 OR user_id <> ?2 ['a', 'c']
--> e: pushed author <> ?1 OR author = ?2 ['b', 'd']
SELECT * FROM sessions s CROSS JOIN events e WHERE s.user_id = e.author OR s.user_id = 'a';
--> s: everything
--> e: everything
SELECT * FROM sessions s, events e WHERE NOT user_id = 'a' AND NOT author = 'b';
--> s: pushed user_id <> ?1 ['a']
--> e: pushed author <> ?1 ['b']
SELECT * FROM sessions s, events e WHERE NOT name = 'a';
--> s: everything
--> e: everything
SELECT * FROM sessions a, sessions b WHERE a.user_id = b.user_id AND NOT a.display_name = 'x' AND b.labels->>'env' = 'y';
--> a: pushed display_name <> ?1 ['x']
--> a: from b.user_id to user_id
--> b: pushed labels->>'env' = ?1 ['y']
--> b: from a.user_id to user_id
SELECT * FROM sessions s JOIN native n ON n.id = s.session_id WHERE NOT s.user_id = 'a' AND NOT n.x = 'b';
--> s: pushed user_id <> ?1 ['a']
SELECT * FROM sessions s JOIN native n ON n.id = s.session_id WHERE NOT user_id = 'a';
--> s: pushed user_id <> ?1 ['a']
SELECT * FROM sessions s JOIN native n ON NOT s.user_id = n.x;
--> s: everything

-- LEFT JOIN: on its right side only what a row of NULLs fails.
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id AND NOT e.author = 'a';
--> s: everything
--> e: pushed author <> ?1 ['a']
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id AND NOT s.user_id = 'a';
--> s: here NOT s.user_id = 'a'
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE NOT e.author = 'a';
--> s: everything
--> e: pushed author <> ?1 ['a']
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE e.author <> 'a' OR e.author IS NULL;
--> s: everything
--> e: here e.author <> 'a' OR e.author IS NULL
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE e.content->>'role' IS NULL;
--> s: everything
--> e: here e.content->>'role' IS NULL
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE e.content->>'role' IS NOT NULL;
--> s: everything
--> e: pushed content->>'role' IS NOT NULL
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE NOT (e.author IS NOT NULL AND e.author = 'a');
--> s: everything
--> e: here NOT (e.author IS NOT NULL AND e.author = 'a')
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE NOT s.user_id = 'a' OR s.user_id IS NULL;
--> s: pushed user_id <> ?1 OR user_id IS NULL ['a']
--> e: from s.session_id to session_id
SELECT * FROM native n LEFT JOIN sessions s ON s.session_id = n.id LEFT JOIN events e ON e.session_id = s.session_id AND e.author NOT IN ('a');
--> s: everything
--> e: pushed author NOT IN (?1) ['a']
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id JOIN native n ON NOT e.author = 'a';
--> s: everything
--> e: pushed author <> ?1 ['a']
--> e: from s.session_id to session_id

-- RIGHT and FULL: nothing moves.
SELECT * FROM sessions s RIGHT JOIN events e ON e.session_id = s.session_id WHERE NOT s.user_id = 'a';
--> s: here NOT s.user_id = 'a'
--> e: everything
SELECT * FROM sessions s FULL JOIN events e ON NOT e.author = 'a' WHERE NOT s.user_id = 'a';
--> s: here NOT s.user_id = 'a'
--> e: here NOT e.author = 'a'
SELECT * FROM sessions s JOIN native n ON n.id = s.session_id RIGHT JOIN events e ON e.author = n.x WHERE NOT s.user_id = 'a';
--> s: here NOT s.user_id = 'a'
--> e: everything

-- USING and NATURAL: an unqualified column may be both.
SELECT * FROM sessions s JOIN events e USING (session_id) WHERE NOT session_id = 'a';
--> s: from e.session_id to session_id
--> e: from s.session_id to session_id
SELECT * FROM sessions s JOIN events e USING (session_id) WHERE NOT s.user_id = 'a';
--> s: pushed user_id <> ?1 ['a']
--> s: from e.session_id to session_id
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e USING (session_id) WHERE NOT s.user_id = 'a';
--> s: pushed user_id <> ?1 ['a']
--> e: from s.session_id to session_id
SELECT * FROM native n JOIN events e USING (session_id);
--> e: everything
SELECT * FROM sessions s FULL JOIN events e USING (session_id);
--> s: everything
--> e: everything
SELECT * FROM sessions s NATURAL JOIN events e WHERE NOT user_id = 'a' AND NOT e.author = 'b';
--> s: pushed user_id <> ?1 ['a']
--> s: from e.name to name
--> s: from e.session_id to session_id
--> e: pushed author <> ?1 ['b']
--> e: from s.name to name
--> e: from s.session_id to session_id

-- Bracketed joins are not followed.
SELECT * FROM (sessions s JOIN events e ON e.session_id = s.session_id) WHERE NOT s.user_id = 'a';
--> nothing
SELECT * FROM native n JOIN (sessions s JOIN events e) ON n.id = s.session_id WHERE NOT s.user_id = 'a';
--> nothing

-- Limits and orders are noted for the look-ahead.
SELECT * FROM sessions WHERE NOT user_id = 'a' ORDER BY create_time DESC LIMIT 10;
--> sessions: pushed user_id <> ?1 ['a']
--> sessions: order create_time DESC
--> sessions: limit 10
SELECT * FROM sessions ORDER BY create_time LIMIT ? OFFSET ?;
--> sessions: order create_time
--> sessions: limit ?1 OFFSET ?2
SELECT * FROM sessions s JOIN events e ON e.session_id = s.session_id WHERE upper(s.display_name) LIKE 'A%' LIMIT 5;
--> s: here upper(s.display_name) LIKE 'A%'
--> s: from e.session_id to session_id
--> s: limit 5
--> e: from s.session_id to session_id
--> e: limit 5
SELECT * FROM sessions NOT INDEXED WHERE NOT user_id = 'a';
--> sessions: everything

-- A key of WHERE may come from an item that could be NULL, if its own item could be, too.
SELECT * FROM sessions s LEFT JOIN events e ON e.author = s.user_id LEFT JOIN sessions t ON t.user_id = s.user_id WHERE t.session_id = e.session_id;
--> s: everything
--> e: from t.session_id to session_id
--> e: from s.user_id to author
--> t: from e.session_id to session_id
--> t: from s.user_id to user_id
