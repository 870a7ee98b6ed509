-- The tour: every table and function of the embedded store, from top to bottom.
--
--     sessions-vtab run examples.sql
--
-- Everything runs in one transaction that is rolled back at the end, so you can run it again and
-- again, and your store stays as it was. Ids and times are given here so that the output is the
-- same each time; if you leave them out, the store generates them.

BEGIN;

-- 1. A conversation is a row in sessions, its turns are rows in events.

INSERT INTO sessions(session_id, user_id, display_name, labels) VALUES
  ('tour-1', 'ann', 'Where is my order?', '{"env": "prod", "team": "shop"}'),
  ('tour-2', 'ann', 'A refund',           '{"env": "test"}'),
  ('tour-3', 'bob', NULL,                 '{"env": "prod"}');

INSERT INTO events(session_id, author, timestamp, content) VALUES
  ('tour-1', 'user', '2026-01-05 09:00:00', 'Where is my order?'),
  ('tour-1', 'shop', '2026-01-05 09:00:01',
     '{"role":"model","parts":[{"functionCall":{"id":"c1","name":"find_order","args":{"user":"ann"}}}]}'),
  ('tour-1', 'shop', '2026-01-05 09:00:02',
     '{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"find_order","response":{"status":"packed"}}}]}'),
  ('tour-1', 'shop', '2026-01-05 09:00:03', 'Your order ships on Monday.'),
  ('tour-2', 'user', '2026-01-06T10:30:00+01:00', 'I want my money back.');

SELECT s.session_id, s.user_id, count(e.event_id) AS turns,
       (SELECT text FROM events WHERE session_id = s.session_id ORDER BY timestamp DESC LIMIT 1) AS last
FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id
WHERE s.session_id LIKE 'tour-_'
GROUP BY s.session_id ORDER BY s.session_id;

-- 2. Labels and state are JSON. Times are compared as instants, whatever their format.

SELECT session_id, labels->>'env' AS env FROM sessions
WHERE session_id LIKE 'tour-_' AND (labels->>'env' = 'test' OR labels->>'team' = 'shop')
ORDER BY session_id;

SELECT session_id, event_id, timestamp FROM events
WHERE session_id IN ('tour-1', 'tour-2') AND timestamp > '2026-01-05T10:00:02+01:00'
ORDER BY timestamp;

-- 3. Appending one event, which changes the state. app: keys are shared by all sessions, user: keys
--    by all sessions of a user; temp: keys are stored only with the event.

SELECT event_id, session_name
FROM append_event('tour-1', 'shop', 'Anything else?', 'e-tour', '2026-01-05 09:01:00',
                  '{"stateDelta": {"step": "closing", "user:tour_language": "en", "temp:cost": 3}}');

SELECT session_id, state->>'step' AS step, state->>'user:tour_language' AS language
FROM sessions WHERE user_id = 'ann' AND session_id LIKE 'tour-_' ORDER BY session_id;

-- 4. Tool calls without parsing JSON.

SELECT part, kind, function_name, args->>'user' AS user, response->>'status' AS status
FROM event_parts WHERE session_name = 'sessions/tour-1' AND function_name IS NOT NULL
ORDER BY event_name;

-- 5. Many events at once: INSERT INTO events SELECT ... A function with side effects runs once for
--    each row of the one item before it.

INSERT INTO events(session_id, author, timestamp, content)
SELECT session_id, 'audit', '2026-01-07', 'Checked ' || coalesce(display_name, 'nothing')
FROM sessions WHERE session_id LIKE 'tour-_';

SELECT s.session_id, event_id
FROM (SELECT session_id FROM sessions WHERE session_id LIKE 'tour-_' ORDER BY session_id) AS s,
     append_event(s.session_id, 'audit', 'Done', 'e-audit', '2026-01-08');

-- 6. UPDATE sends only what changes; RETURNING returns the row as stored.

UPDATE sessions SET display_name = 'Order 1001', labels = json_set(labels, '$.env', 'archive')
WHERE session_id = 'tour-1'
RETURNING session_id, display_name, labels;

INSERT INTO sessions(session_id, user_id, create_time, ttl) VALUES ('tour-4', 'cy', '2026-01-09', '172800s')
RETURNING session_id, create_time, ttl IS NULL AS ttl_reads_as_null;

INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('tour-4', 'somebody else');

SELECT user_id FROM sessions WHERE session_id = 'tour-4';

-- 7. DELETE hides a session, and undelete_session restores it. Deleting it twice removes it.

DELETE FROM sessions WHERE session_id = 'tour-3' RETURNING session_id, user_id;

SELECT session_id, deleted FROM sessions WHERE session_id LIKE 'tour-_' AND include_deleted = 1
ORDER BY session_id;

SELECT session_id, user_id FROM undelete_session('tour-3');

-- 8. Participants. truncate_session clears state and turns; integrate_session records up to which
--    turn memories were integrated (this store runs no model).

INSERT INTO participants(session_id, participant, participant_type) VALUES
  ('tour-2', 'ann', 'user'), ('tour-2', 'shop', 'agent');

SELECT session_id FROM bind_participant('tour-2', 'auditor');

SELECT participant, participant_type FROM participants WHERE session_id = 'tour-2' ORDER BY participant;

SELECT session_id FROM unbind_participant('tour-2', 'auditor');

DELETE FROM participants WHERE session_id = 'tour-2' AND participant = 'shop';

SELECT session_id, task_id IS NOT NULL AS has_task FROM integrate_session('tour-2');

SELECT session_id, state FROM truncate_session('tour-2');

-- 9. Files are uploaded through upload sessions: open, upload, close. At most ten can be open, so
--    yours are closed first; the rollback at the end opens them again.

UPDATE upload_sessions SET status = 'CLOSED' WHERE status = 'OPEN' AND is_expired = 0;

INSERT INTO upload_sessions(session_id, write_mode)
VALUES ('00000000-0000-4000-8000-000000000001', 'OVERWRITE') RETURNING status, write_mode;

SELECT stored_name, size FROM upload_file('00000000-0000-4000-8000-000000000001', 'notes.txt', 'first');

SELECT stored_name, size FROM upload_file(
  '00000000-0000-4000-8000-000000000001', 'notes.txt', 'second version', '{"category":"tour"}');

SELECT status FROM close_upload_session('00000000-0000-4000-8000-000000000001');

SELECT status, finished_files, failed_files FROM upload_sessions
WHERE session_id = '00000000-0000-4000-8000-000000000001';

SELECT file_name, ingestion_status FROM upload_session_files
WHERE session_id = '00000000-0000-4000-8000-000000000001';

-- 10. Searches and clicks are collected into batches for improving a model.

INSERT INTO sessions(session_id, user_id, search_query, search_results) VALUES
  ('tour-warmup', 'ann', 'shoes', '[]');

SELECT batch_id IS NOT NULL AS released FROM release_batch('tour-release-0');

INSERT INTO sessions(session_id, user_id, search_query, search_results) VALUES
  ('tour-s1', 'ann', 'red shoes', '[{"object_id":"p1","rank":0.9}]'),
  ('tour-s2', 'bob', 'hats', '[]');

SELECT event_id FROM append_event('tour-s1', 'ann', 'clicked p1');

SELECT session_id, scheduled FROM use_session_for_improvement('tour-s1');

SELECT session_id, scheduled, reason FROM use_session_for_improvement('tour-s2');

SELECT session_id, is_irrelevant FROM mark_session_irrelevant('tour-s2');

SELECT b.session_id, b.session_number, json_array_length(b.events) AS clicks
FROM sessions AS s, batch_sessions(s.batch_id, 0, 10) AS b
WHERE s.session_id = 'tour-s1' ORDER BY b.session_number;

SELECT batch_id IS NOT NULL AS released FROM release_batch('tour-release-1');

-- 11. What happened: the requests of this connection (the embedded store makes none), and its writes
--     (those of this transaction are not final yet).

SELECT count(*) AS requests FROM http_requests;

SELECT count(*) AS writes FROM writes;

-- 12. EXPLAIN QUERY PLAN shows what a statement will do, before it runs.

EXPLAIN QUERY PLAN
SELECT text FROM events WHERE session_id = 'tour-1' AND author = 'user' ORDER BY timestamp DESC LIMIT 5;

ROLLBACK;

SELECT count(*) AS left_behind FROM sessions WHERE session_id LIKE 'tour-%';
