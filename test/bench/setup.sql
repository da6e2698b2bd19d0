-- What every benchmark database begins with: events to put, as prepared jsonb.
-- Orders like those of an online shop, details of about 330 bytes each.

CREATE TABLE details (n int PRIMARY KEY, detail jsonb NOT NULL);
INSERT INTO details
	SELECT i, jsonb_build_object(
		'orderId', 'ORD-' || upper(substr(md5(i::text), 1, 8)),
		'customerId', 'CUST-' || i * 7919 % 10000,
		'items', jsonb_build_array(
			jsonb_build_object('productId', 'PROD-' || i % 500, 'quantity', 1 + i % 3, 'price', 19.99),
			jsonb_build_object('productId', 'PROD-' || i % 333, 'quantity', 1, 'price', i % 90 + 0.5)),
		'totalAmount', i * 37 % 2000 + 0.5,
		'shippingAddress', jsonb_build_object('street', i % 900 || ' Main Street', 'city', 'Springfield',
			'state', 'IL', 'zipCode', lpad((i % 99999)::text, 5, '0'), 'country', 'US'),
		'metadata', jsonb_build_object('source', 'web', 'promotionCode', 'SAVE' || i % 50))
	FROM generate_series(1, 20000) AS i;

-- Batches of 100 of them. Events of a batch go to "spread" sources, and to
-- "spread" buses where there is more than the default one.
CREATE TABLE batches (n int PRIMARY KEY, entries jsonb NOT NULL);
CREATE PROCEDURE make_batches(spread int, buses boolean)
	LANGUAGE sql
	BEGIN ATOMIC
		DELETE FROM batches;
		INSERT INTO batches
			SELECT n / 100, jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
				'EventBusName', CASE WHEN buses THEN 'bus-' || n % spread END,
				'Source', CASE WHEN spread > 1 AND NOT buses THEN 'service-' || n % spread ELSE 'orders.service' END,
				'DetailType', 'Order Placed', 'Detail', detail)) ORDER BY n)
			FROM (SELECT n - 1 AS n, detail FROM details) AS d
			GROUP BY n / 100;
	END;
CALL make_batches(1, false);
VACUUM ANALYZE details, batches;
