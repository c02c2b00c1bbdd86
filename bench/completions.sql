WITH handled AS (
    UPDATE partners_partnerevent p SET handled_at = %(now)s, step_id = s.id, outcome = 'completed', last_error = ''
      FROM partners_enrollmentstep s
     WHERE p.provider_id = %(first)s AND p.handled_at IS NULL AND s.provider_id = p.provider_id
       AND s.external_enrollment_id = p.external_enrollment_id
 RETURNING s.id, s.enrollment_id
), completed AS (
    UPDATE partners_enrollmentstep s
       SET status = 'completed', progress = 100, completed_at = %(now)s, changed_at = %(now)s, evidence = '',
           change_count = change_count + 1
      FROM handled WHERE s.id = handled.id
 RETURNING s.id, s.cuid, s.enrollment_id, s.provider_id, s.sequence_order, s.change_count
), queued AS (
    UPDATE partners_enrollmentstep s
       SET status = 'queued', changed_at = %(now)s, next_attempt_at = %(now)s, change_count = change_count + 1
      FROM handled WHERE s.enrollment_id = handled.enrollment_id AND s.sequence_order = 2
 RETURNING s.id, s.cuid, s.enrollment_id, s.provider_id, s.sequence_order, s.change_count
), changed AS (
    SELECT *, 'in_progress' AS from_status, 'completed' AS to_status, 'partner' AS actor FROM completed
    UNION ALL SELECT *, 'pending', 'queued', 'system' FROM queued
), recorded AS (
    INSERT INTO partners_steptransition (step_id, number, from_status, to_status, reason, actor, request_id, created_at)
    SELECT id, change_count, from_status, to_status, '', actor, '', %(now)s FROM changed
)
INSERT INTO events_outboxevent (cuid, workspace_id, type, aggregate, sequence, payload, occurred_at, next_attempt_at,
                                relay_status, relay_attempts, last_error)
SELECT 'c' || substr(md5(random()::text), 1, 23), %(workspace)s, 'partner.step_' || c.to_status, 'partner_step:' || c.cuid,
       1, jsonb_build_object('stepId', c.cuid, 'enrollmentId', e.cuid, 'partner', p.slug, 'sequenceOrder',
                             c.sequence_order), %(now)s, %(now)s, 'pending', 0, ''
  FROM changed c JOIN enrollments_enrollment e ON e.id = c.enrollment_id JOIN partners_provider p ON p.id = c.provider_id
