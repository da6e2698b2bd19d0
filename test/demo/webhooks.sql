\o /dev/null
\echo '# 10. Real events: the 329 webhook payloads that GitHub documents, in one call.'
\echo '#     Three rules feed one table, which tells them apart by its column "rule".'
\echo
SELECT eb_create_event_bus('github');
\o

CREATE TABLE github_inbox (id uuid, rule text, detail_type text, detail jsonb, PRIMARY KEY (id, rule));

\o /dev/null
SELECT eb_put_rule('pull-request-opened', event_bus => 'github', event_pattern =>
  '{"detail-type": ["pull_request"], "detail": {"action": ["opened"]}}');
SELECT eb_put_rule('labeled', event_bus => 'github', event_pattern =>
  '{"source": ["github.webhooks"], "detail": {"action": ["labeled"], "label": {"name": [{"exists": true}]}}}');
SELECT eb_put_rule('push-to-branch', event_bus => 'github', event_pattern =>
  '{"detail-type": ["push"], "detail": {"ref": [{"prefix": "refs/heads/"}]}}');
\o

\o /dev/null
SELECT eb_put_target(rule, 'inbox', 'table', 'github_inbox', event_bus => 'github')
  FROM unnest(ARRAY['pull-request-opened', 'labeled', 'push-to-branch']) rule;
\o

SELECT jsonb_array_length(result->'Entries') AS published, result->'FailedEntryCount' AS failed
  FROM (SELECT eb_put_events(jsonb_agg(jsonb_build_object(
                 'Source', 'github.webhooks', 'DetailType', hook->>'name',
                 'EventBusName', 'github', 'Detail', payload))) AS result
          FROM jsonb_array_elements(pg_read_file(:'webhooks')::jsonb) hook,
               jsonb_array_elements(hook->'examples') payload) call;

\o /dev/null
SELECT eb_wait_until_delivered(interval '10 s');
\o

SELECT rule, detail_type, count(*),
       min(coalesce(detail->'pull_request'->>'title', detail->'label'->>'name', detail->>'ref')) AS "for example"
  FROM github_inbox GROUP BY rule, detail_type ORDER BY rule, detail_type;

\echo '# 11. What every target has received so far; eventbus.status shows what waits, and why.'
\echo
SELECT event_bus, rule, resource AS "target", delivered, dead_lettered FROM eventbus.targets ORDER BY 1, 2;
