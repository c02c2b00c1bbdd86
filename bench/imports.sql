CREATE TABLE bench_file (n bigserial, c0 text, c1 text, c2 text, c3 text, c4 text, c5 text, c6 text, c7 text, c8 text,
                         c9 text, c10 text, c11 text, c12 text);
INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone, grade_level,
                              school, address, created_at)
SELECT 'c' || substr(md5(random()::text), 1, 23), %(workspace)s,
       'who:' || encode(sha256((c2 || c0 || c1)::bytea), 'hex'), encode(sha256((c2 || c0 || c1)::bytea), 'hex'),
       c0, c1, c2, '', '', '',
       jsonb_build_object('streetOne', c3, 'city', c4, 'state', c5, 'postalCode', c6, 'country', 'USA'), now()
  FROM bench_file;
INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
    eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
    address, manufacturer_slugs, tags, reference_id, transition_count, created_at, updated_at)
SELECT 'c' || substr(md5(random()::text), 1, 23), %(workspace)s, i.id, l.id, 'customerInfo',
       CASE WHEN f.c11::int >= 12 THEN 'eligible' ELSE 'ineligible' END,
       CASE WHEN f.c11::int >= 12 THEN 'In it' ELSE 'Too young' END, i.criteria_version, 'not_started', 'not_required',
       jsonb_build_object('age', f.c11::int, 'grade', f.c12::int), l.address, to_jsonb(string_to_array(f.c8, ',')),
       to_jsonb(string_to_array(f.c9, ',')), f.c10, 1, now(), now()
  FROM bench_file f
  JOIN accounts_learner l ON l.workspace_id = %(workspace)s
   AND l.person = encode(sha256((f.c2 || f.c0 || f.c1)::bytea), 'hex')
  JOIN enrollments_programinstance i ON i.id = %(instance)s;
INSERT INTO enrollments_enrollmentlabel (enrollment_id, instance_id, kind, value, created_at)
SELECT e.id, e.instance_id, named.kind, named.value, e.created_at
  FROM enrollments_enrollment e,
       (VALUES ('manufacturer', 'sma'), ('manufacturer', 'enphase'), ('tag', 'vip')) named (kind, value)
 WHERE e.instance_id = %(instance)s;
INSERT INTO enrollments_enrollmenttransition
    (enrollment_id, number, facet, from_status, to_status, reason, note, actor, request_id, created_at)
SELECT id, 1, 'eligibility', 'candidate', eligibility_status, eligibility_reason, '', 'system', '', now()
  FROM enrollments_enrollment WHERE instance_id = %(instance)s;
INSERT INTO enrollments_eligibilityverdict
    (enrollment_id, criteria_version, outcome, reason, answers, actor, created_at)
SELECT e.id, i.criteria_version, e.eligibility_status, e.eligibility_reason,
       (SELECT jsonb_agg(jsonb_build_object(
                   'name', c.name, 'expression', c.expression, 'reason', c.because,
                   'answer', c.name <> 'Age' OR (e.metadata->>'age')::int >= 12,
                   'inputs', jsonb_build_object('value', e.metadata->'age')) ORDER BY c.position)
          FROM enrollments_criterion c WHERE c.instance_id = i.id AND c.version = i.criteria_version),
       'system', now()
  FROM enrollments_enrollment e JOIN enrollments_programinstance i ON i.id = e.instance_id
 WHERE e.instance_id = %(instance)s;
INSERT INTO events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, next_attempt_at,
                                relay_status, relay_attempts, last_error)
SELECT 'c' || substr(md5(random()::text), 1, 23), e.workspace_id,
       CASE n WHEN 1 THEN 'enrollment.created' ELSE 'enrollment.status_changed' END, 'enrollment:' || e.cuid, n,
       jsonb_build_object('enrollmentId', e.cuid, 'programInstanceId', i.cuid, 'facet', 'eligibility', 'fromStatus',
                          'candidate', 'toStatus', e.eligibility_status, 'number', 1), now(), now(), 'pending', 0, ''
  FROM enrollments_enrollment e JOIN enrollments_programinstance i ON i.id = e.instance_id, generate_series(1, 2) n
 WHERE e.instance_id = %(instance)s;
INSERT INTO enrollments_importedrow (job_id, line, enrollment_id, subject, person, before, written_at)
SELECT %(job)s, row_number() OVER () + 1, id, 'learner:' || learner_id, '', NULL, now()
  FROM enrollments_enrollment WHERE instance_id = %(instance)s;
