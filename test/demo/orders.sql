\echo
\echo '# 1. An event bus, and a rule for each service that wants to hear of orders.'
\echo '#    A rule is an event pattern; what matches goes to the rule''s targets.'
\echo
CREATE EXTENSION eventbus;
\echo

\o /dev/null
SELECT eb_create_event_bus('orders-event-bus');
SELECT eb_put_rule('order-to-inventory', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["orders.service"], "detail-type": ["Order Placed"]}');
SELECT eb_put_rule('high-value-order-email', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["orders.service"], "detail": {"totalAmount": [{"numeric": [">", 1000]}]}}');
SELECT eb_put_rule('promo-code-analytics', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["orders.service"], "detail": {"metadata": {"promotionCode": [{"exists": true}]}}}');
SELECT eb_put_rule('inventory-to-shop', event_bus => 'orders-event-bus', event_pattern =>
  '{"source": ["inventory.service"]}');
\o

\echo
\echo '# 2. Inventory is a function. It reserves what an order needs, and publishes what came of it,'
\echo '#    in one transaction: stock, answer and "this event is done" commit together, or not at all.'
\echo
CREATE TABLE stock (product_id text PRIMARY KEY, available int CHECK (available >= 0), reserved int DEFAULT 0);
INSERT INTO stock VALUES ('keyboard', 2000), ('screen', 1);

CREATE FUNCTION reserve_inventory(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  "order" jsonb := event->'detail';
  status text := 'Reserved';
BEGIN
  BEGIN
    UPDATE stock SET available = available - quantity, reserved = reserved + quantity
      FROM jsonb_to_recordset("order"->'items') AS item("productId" text, quantity int)
     WHERE product_id = "productId";
  EXCEPTION WHEN check_violation THEN
    status := 'Out-of-stock';
  END;
  PERFORM eb_put_event('inventory.service', 'Inventory ' || status,
    jsonb_build_object('orderId', "order"->'orderId', 'status', lower(status)), event_bus => 'orders-event-bus');
END $$;

\o /dev/null
SELECT eb_put_target('order-to-inventory', 'inventory', 'function', 'reserve_inventory', event_bus => 'orders-event-bus');
\o
\echo

\echo '# 3. The shop keeps the answers in a table, made by an input transformer. Analytics drains a queue.'
\echo '#    The email service has a bug: it knows no currencies but one.'
\echo
CREATE TABLE answers (order_id text, status text, answered_at timestamptz);
\o /dev/null
SELECT eb_put_target('inventory-to-shop', 'answers', 'table', 'answers', event_bus => 'orders-event-bus',
  input_transformer => '{"InputPathsMap": {"order": "$.detail.orderId", "status": "$.detail.status", "time": "$.time"},
                         "InputTemplate": "{\"order_id\": <order>, \"status\": <status>, \"answered_at\": <time>}"}');
\o

\o /dev/null
SELECT eb_create_queue('analytics');
SELECT eb_put_target('promo-code-analytics', 'analytics', 'queue', 'analytics', event_bus => 'orders-event-bus');
\o

CREATE TABLE email (id uuid, "time" timestamptz, detail jsonb, CHECK (detail->>'currency' = 'EUR'));
\o /dev/null
SELECT eb_put_target('high-value-order-email', 'email', 'table', 'email', event_bus => 'orders-event-bus',
  maximum_retry_attempts => 0);
\o
\echo

\echo '# 4. Take three orders. The events are put in the transaction that stores the orders.'
\echo
CREATE TABLE orders (order_id text PRIMARY KEY, detail jsonb);

BEGIN;
INSERT INTO orders VALUES
  ('ORD-1', '{"orderId": "ORD-1", "totalAmount": 1249.00, "currency": "EUR", "metadata": {"source": "web"},
              "items": [{"productId": "screen", "quantity": 1}, {"productId": "keyboard", "quantity": 1}]}'),
  ('ORD-2', '{"orderId": "ORD-2", "totalAmount": 19.90, "currency": "EUR", "metadata": {"source": "mobile", "promotionCode": "SPRING"},
              "items": [{"productId": "keyboard", "quantity": 2}]}'),
  ('ORD-3', '{"orderId": "ORD-3", "totalAmount": 2400.00, "currency": "USD", "metadata": {"source": "api", "promotionCode": "VIP"},
              "items": [{"productId": "screen", "quantity": 1}]}');
SELECT eb_put_event('orders.service', 'Order Placed', detail, event_bus => 'orders-event-bus') AS event_id FROM orders;
COMMIT;

\echo
\echo '# 5. Take one more, and change our mind: no order, so no event, ever.'
\echo
BEGIN;
INSERT INTO orders VALUES ('ORD-4', '{"orderId": "ORD-4", "totalAmount": 9999.00, "metadata": {"source": "web"}}');
SELECT eb_put_event('orders.service', 'Order Placed', detail, event_bus => 'orders-event-bus') AS event_id
  FROM orders WHERE order_id = 'ORD-4';
ROLLBACK;
SELECT count(*) AS "events of ORD-4" FROM eventbus.events WHERE detail->>'orderId' = 'ORD-4';

\echo '# 6. Inventory has answered each order, a few milliseconds after the commit: one screen, two buyers.'
\echo '#    (An application need not wait; a demo does: for the orders, and for the answers, events of their own.)'
\echo
\o /dev/null
SELECT eb_wait_until_delivered(interval '10 s');
SELECT eb_wait_until_delivered(interval '10 s');
\o
\echo

SELECT o.order_id, o.detail->'totalAmount' AS total, o.detail->>'currency' AS currency,
       o.detail->'metadata'->>'promotionCode' AS promotion, a.status AS inventory,
       EXISTS (SELECT FROM email t WHERE t.detail = o.detail) AS email
  FROM orders o LEFT JOIN answers a USING (order_id) ORDER BY order_id;
TABLE stock;

\echo '# 7. Analytics receives its messages, and deletes what it is done with, in its own transaction.'
\echo
BEGIN;
CREATE TABLE promotions AS
  SELECT body->'detail'->'metadata'->>'promotionCode' AS promotion, receipt_handle
    FROM eb_receive_messages('analytics', max_messages => 10);
SELECT promotion, eb_delete_message('analytics', receipt_handle) AS deleted FROM promotions;
COMMIT;

\echo
\echo '# 8. The order in dollars is no email: it is a dead letter. Mend the service, and deliver it again.'
\echo
SELECT rule, error_code, error_message, event->'detail'->>'orderId' AS order_id FROM eventbus.dead_letters;
ALTER TABLE email DROP CONSTRAINT email_detail_check;
SELECT eb_redrive(rule => 'high-value-order-email', event_bus => 'orders-event-bus') AS redriven;
\o /dev/null
SELECT eb_wait_until_delivered(interval '10 s');
\o
\echo
SELECT detail->>'orderId' AS order_id, detail->'totalAmount' AS total, detail->>'currency' AS currency FROM email ORDER BY 1;
