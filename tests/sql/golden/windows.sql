-- Rows of no table of ours hand over their next keys through a window.
SELECT n.x, e.text FROM native n JOIN events e ON e.session_id = n.sid;
--> e: ahead n.sid to session_id of all rows
SELECT n.x, e.text FROM native n, events e WHERE n.sid = e.session_id AND n.flag = ? AND n.x IN (1, 2);
--> e: ahead n.sid to session_id of n.flag = ?1 AND n.x IN (1, 2)
SELECT n.x, e.* FROM native AS n LEFT JOIN events e ON e.session_id = n.sid AND NOT e.author = 'a' WHERE n.x = 1 LIMIT 5;
--> e: pushed author <> ?1 ['a']
--> e: ahead n.sid to session_id of n.x = 1
--> e: limit 5
SELECT n.x, e.text FROM native n JOIN events e ON e.session_id = n.sid WHERE e.timestamp > '2026-01-01';
--> e: offered e.timestamp > '2026-01-01'
--> e: ahead n.sid to session_id of all rows
SELECT native.x, e.text FROM native JOIN events e ON e.session_id = native.sid ORDER BY native.x;
--> e: ahead native.sid to session_id of all rows
--> e: order native.x
SELECT n.x, s.user_id FROM native n LEFT JOIN sessions s ON s.session_id = n.sid;
--> s: ahead n.sid to session_id of all rows
SELECT c.user_id, e.text FROM (SELECT * FROM sessions ORDER BY create_time DESC LIMIT 10) c JOIN events e ON e.session_id = c.session_id;
--> sessions: order create_time DESC
--> sessions: limit 10
--> e: ahead c.session_id to session_id of all rows
WITH c AS MATERIALIZED (SELECT session_id FROM sessions GROUP BY 1) SELECT c.session_id, count(*) FROM c JOIN events e USING (session_id);
--> sessions: everything
--> e: everything
WITH c AS MATERIALIZED (SELECT session_id AS sid FROM sessions GROUP BY 1) SELECT c.sid, count(*) FROM c JOIN events e ON e.session_id = c.sid GROUP BY 1;
--> sessions: everything
--> e: ahead c.sid to session_id of all rows
SELECT j.value, count(*) FROM json_each(?) j JOIN events e ON e.session_id = j.value GROUP BY 1;
--> e: ahead j.value to session_id of all rows
SELECT n.x FROM native n WHERE EXISTS (SELECT 1 FROM json_each(n.ids) j JOIN events e ON e.session_id = j.value);
--> e: ahead j.value to session_id of all rows

-- No window: its column would be seen, the order would be forced, or it would be sorted first.
SELECT * FROM native n JOIN events e ON e.session_id = n.sid;
--> e: everything
SELECT n.* FROM native n JOIN events e ON e.session_id = n.sid;
--> e: everything
SELECT n.rowid FROM native n JOIN events e ON e.session_id = n.sid;
--> e: everything
SELECT n.x FROM native n NOT INDEXED JOIN events e ON e.session_id = n.sid;
--> e: everything
SELECT n.x FROM native n JOIN events e ON e.session_id = n.sid ORDER BY n.x LIMIT 3;
--> e: order n.x
--> e: limit 3
SELECT n.x FROM native n JOIN events e ON e.session_id = n.sid WHERE e.session_id = 'a';
--> e: offered e.session_id = 'a'
SELECT n.x, s.user_id FROM native n JOIN sessions s ON s.session_id = n.sid;
--> s: everything
SELECT n.x FROM native n JOIN events e ON e.author = n.sid;
--> e: everything
SELECT x FROM native n JOIN events e ON e.session_id = sid;
--> e: everything
SELECT n.x FROM native n RIGHT JOIN events e ON e.session_id = n.sid;
--> e: everything
SELECT n.x FROM native n NATURAL JOIN events e WHERE e.session_id = n.sid;
--> e: everything
SELECT n.x FROM native n JOIN native m JOIN events e ON e.session_id = n.sid;
--> e: everything
SELECT n.x FROM events e JOIN native n ON e.session_id = n.sid;
--> e: everything
