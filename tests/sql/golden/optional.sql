-- Conditions that a value of NULL leaves out.
SELECT * FROM sessions WHERE (?1 IS NULL OR user_id = ?1);
--> sessions: pushed (?1 IS NULL OR user_id = ?1) [?1]
SELECT * FROM sessions WHERE (user_id = :u OR :u ISNULL) AND (:d IS NULL OR display_name LIKE :d);
--> sessions: pushed (?1 IS NULL OR user_id = ?1) AND (?2 IS NULL OR display_name LIKE ?2) [?1, ?2]
SELECT * FROM sessions WHERE (@since IS NULL OR create_time >= @since) AND (@until IS NULL OR create_time < @until);
--> sessions: pushed (?1 IS NULL OR create_time >= ?1 COLLATE TIMESTAMP) AND (?2 IS NULL OR create_time < ?2 COLLATE TIMESTAMP) [?1, ?2]
SELECT * FROM sessions WHERE (?1 IS NULL OR labels->>'env' = ?1) AND NOT user_id = 'b';
--> sessions: pushed (?1 IS NULL OR labels->>'env' = ?1) AND user_id <> ?2 [?1, 'b']
SELECT * FROM sessions WHERE ?1 IS NULL OR user_id = ?1 OR display_name = ?1;
--> sessions: pushed (?1 IS NULL OR user_id = ?1) OR (?1 IS NULL OR display_name = ?1) [?1]
SELECT * FROM sessions WHERE (?1 IS NULL OR user_id = ?1) OR display_name = 'x';
--> sessions: pushed (?1 IS NULL OR user_id = ?1) OR display_name = ?2 [?1, 'x']
SELECT * FROM sessions WHERE user_id = coalesce(?1, user_id);
--> sessions: pushed (?1 IS NULL OR user_id = ?1) [?1]
--> sessions: narrowed user_id = coalesce(?1, user_id)
SELECT * FROM sessions s WHERE ifnull(:u, s.user_id) = s.user_id;
--> s: pushed (?1 IS NULL OR user_id = ?1) [?1]
--> s: narrowed ifnull(?1, s.user_id) = s.user_id
SELECT * FROM sessions s JOIN events e USING (session_id) WHERE (?1 IS NULL OR e.author = ?1);
--> s: from e.session_id to session_id
--> e: pushed (?1 IS NULL OR author = ?1) [?1]
--> e: from s.session_id to session_id
UPDATE sessions SET display_name = 'x' WHERE (?1 IS NULL OR user_id = ?1);
--> sessions: pushed (?1 IS NULL OR user_id = ?1) [?1]

-- Where it is not that value that is compared, or NULL means something else.
SELECT * FROM sessions WHERE (?1 IS NULL OR user_id = ?2);
--> sessions: here (?1 IS NULL OR user_id = ?2)
SELECT * FROM sessions WHERE (?1 IS NULL OR ?2 IS NULL OR user_id = ?1);
--> sessions: here (?1 IS NULL OR ?2 IS NULL OR user_id = ?1)
SELECT * FROM sessions WHERE (?1 IS NULL OR user_id = ?1 OR display_name = 'x');
--> sessions: here (?1 IS NULL OR user_id = ?1 OR display_name = 'x')
SELECT * FROM sessions WHERE (?1 IS NULL OR user_id IN (?1, ?2));
--> sessions: here (?1 IS NULL OR user_id IN (?1, ?2))
SELECT * FROM sessions WHERE (?1 IS NOT NULL OR user_id = ?1);
--> sessions: here (?1 IS NOT NULL OR user_id = ?1)
SELECT * FROM sessions WHERE NOT (?1 IS NULL OR user_id = ?1);
--> sessions: pushed user_id <> ?1 [?1]
--> sessions: narrowed NOT (?1 IS NULL OR user_id = ?1)
SELECT * FROM sessions WHERE user_id = coalesce(?1, display_name);
--> sessions: here user_id = coalesce(?1, display_name)
SELECT * FROM sessions WHERE user_id = coalesce(user_id, ?1);
--> sessions: here user_id = coalesce(user_id, ?1)
SELECT * FROM sessions WHERE user_id = coalesce(?1, ?2, user_id);
--> sessions: here user_id = coalesce(?1, ?2, user_id)
SELECT * FROM sessions WHERE user_id <> coalesce(?1, user_id);
--> sessions: here user_id <> coalesce(?1, user_id)
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE (?1 IS NULL OR e.author = ?1);
--> s: everything
--> e: here (?1 IS NULL OR e.author = ?1)
--> e: from s.session_id to session_id
SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id AND (?1 IS NULL OR e.author = ?1);
--> s: everything
--> e: pushed (?1 IS NULL OR author = ?1) [?1]
--> e: from s.session_id to session_id
