\echo
\echo '# 1. An event bus, and a rule for each service that wants to hear of orders.'
\echo '#    A rule is an event pattern; what matches goes to the rule''s targets, here tables.'
\echo
CREATE EXTENSION eventbus;
\echo

\o /dev/null
SELECT eb_create_event_bus('orders-event-bus');
\o

CREATE TABLE inventory  (id uuid PRIMARY KEY, "time" timestamptz, detail jsonb);
CREATE TABLE email      (id uuid PRIMARY KEY, "time" timestamptz, detail jsonb);
CREATE TABLE analytics  (id uuid PRIMARY KEY, "time" timestamptz, detail jsonb);

\o /dev/null
SELECT eb_put_rule('order-to-inventory', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["orders.service"], "detail-type": ["Order Placed"]}');
SELECT eb_put_rule('high-value-order-email', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["orders.service"], "detail": {"totalAmount": [{"numeric": [">", 1000]}]}}');
SELECT eb_put_rule('promo-code-analytics', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["orders.service"], "detail": {"metadata": {"promotionCode": [{"exists": true}]}}}');
\o

\o /dev/null
SELECT eb_put_target('order-to-inventory',     'inventory', 'table', 'inventory', event_bus => 'orders-event-bus');
SELECT eb_put_target('high-value-order-email', 'email',     'table', 'email',     event_bus => 'orders-event-bus');
SELECT eb_put_target('promo-code-analytics',   'analytics', 'table', 'analytics', event_bus => 'orders-event-bus');
\o

\echo
\echo '# 2. Take three orders. The events are put in the transaction that stores the orders.'
\echo
CREATE TABLE orders (order_id text PRIMARY KEY, detail jsonb);

BEGIN;
INSERT INTO orders VALUES
  ('ORD-1', '{"orderId": "ORD-1", "totalAmount": 1249.00, "metadata": {"source": "web"}}'),
  ('ORD-2', '{"orderId": "ORD-2", "totalAmount":   19.90, "metadata": {"source": "mobile", "promotionCode": "SPRING"}}'),
  ('ORD-3', '{"orderId": "ORD-3", "totalAmount": 2400.00, "metadata": {"source": "api", "promotionCode": "VIP"}}');
SELECT eb_put_event('orders.service', 'Order Placed', detail, event_bus => 'orders-event-bus') AS event_id FROM orders;
COMMIT;

\echo
\echo '# 3. Take one more, and change our mind: no order, so no event, ever.'
\echo
BEGIN;
INSERT INTO orders VALUES ('ORD-4', '{"orderId": "ORD-4", "totalAmount": 9999.00, "metadata": {"source": "web"}}');
SELECT eb_put_event('orders.service', 'Order Placed', detail, event_bus => 'orders-event-bus') AS event_id
  FROM orders WHERE order_id = 'ORD-4';
ROLLBACK;
SELECT count(*) AS "events of ORD-4" FROM eventbus.events WHERE detail->>'orderId' = 'ORD-4';

\echo '# 4. Each service finds its orders in its table, about a millisecond after the commit.'
\echo '#    (An application need not wait; a demo does.)'
\echo
\o /dev/null
SELECT eb_wait_until_delivered(interval '10 s');
\o
\echo

SELECT o.order_id, o.detail->'totalAmount' AS total, o.detail->'metadata'->>'promotionCode' AS promotion,
       EXISTS (SELECT FROM inventory t WHERE t.detail = o.detail) AS inventory,
       EXISTS (SELECT FROM email     t WHERE t.detail = o.detail) AS email,
       EXISTS (SELECT FROM analytics t WHERE t.detail = o.detail) AS analytics
  FROM orders o ORDER BY o.order_id;
