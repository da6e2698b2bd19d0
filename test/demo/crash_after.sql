\o /dev/null
\echo '#    After the restart every order has reached inventory, and once.'
\echo
SELECT eb_wait_until_delivered(interval '30 s');
\o

SELECT count(*) AS rows, count(DISTINCT detail->>'orderId') AS orders
  FROM inventory WHERE detail->>'orderId' LIKE 'BIG-%';
