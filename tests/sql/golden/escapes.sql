-- What ESCAPE escapes is no wildcard, or else SQLite decides.
SELECT * FROM sessions WHERE display_name LIKE 'a!b%' ESCAPE '!';
--> sessions: pushed display_name LIKE ?1 ['ab%']
SELECT * FROM sessions WHERE display_name NOT LIKE 'a\\b' ESCAPE '\';
--> sessions: pushed display_name NOT LIKE ?1 ['a\b']
SELECT * FROM sessions WHERE user_id = 'b' OR display_name LIKE 'tour' ESCAPE '/';
--> sessions: pushed user_id = ?1 OR display_name LIKE ?2 ['b', 'tour']
SELECT * FROM sessions WHERE display_name LIKE '100!%' ESCAPE '!';
--> sessions: here display_name LIKE '100!%' ESCAPE '!'
SELECT * FROM sessions WHERE display_name LIKE 'a!_b' ESCAPE '!';
--> sessions: here display_name LIKE 'a!_b' ESCAPE '!'
SELECT * FROM sessions WHERE display_name LIKE 'a%' ESCAPE '%';
--> sessions: here display_name LIKE 'a%' ESCAPE '%'
SELECT * FROM sessions WHERE display_name LIKE 'a!' ESCAPE '!';
--> sessions: here display_name LIKE 'a!' ESCAPE '!'
SELECT * FROM sessions WHERE display_name LIKE ?1 ESCAPE '!';
--> sessions: here display_name LIKE ?1 ESCAPE '!'
SELECT * FROM sessions WHERE display_name LIKE 'a%' ESCAPE ?1;
--> sessions: here display_name LIKE 'a%' ESCAPE ?1
