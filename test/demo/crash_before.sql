\echo '# 9. Pull the plug: commit a thousand orders, and kill the server at once.'
\echo
WITH placed AS (
  INSERT INTO orders
  SELECT 'BIG-' || n, jsonb_build_object('orderId', 'BIG-' || n, 'totalAmount', n, 'currency', 'EUR',
                                         'items', '[{"productId": "keyboard", "quantity": 1}]'::jsonb)
    FROM generate_series(1, 1000) n
  RETURNING detail)
SELECT eb_put_events(jsonb_agg(jsonb_build_object(
         'Source', 'orders.service', 'DetailType', 'Order Placed',
         'EventBusName', 'orders-event-bus', 'Detail', detail)))->'FailedEntryCount' AS failed
  FROM placed;
