\o /dev/null
\echo '#    After the restart every order has its keyboard, and one keyboard only.'
\echo
SELECT eb_wait_until_delivered(interval '30 s');
SELECT eb_wait_until_delivered(interval '30 s');
\o

SELECT count(*) AS answers, count(DISTINCT order_id) AS orders FROM answers WHERE order_id LIKE 'BIG-%';
SELECT * FROM stock ORDER BY product_id;
