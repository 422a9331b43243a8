//! What has to hold in the books of every database at any moment, whatever happened to it.

use comanda::orders::status::STEPS;
use serde_json::json;
use sqlx::PgConnection;

/// Each question answers with the rows that break a rule; `$1` is the table of an order's steps.
const RULES: &[(&str, &str)] = &[
    (
        "an order's total is the sum of its parts",
        "select id::text from orders
         where total <> items_total + tax_total + delivery_fee + service_fee + tip - discount or $1::json is null",
    ),
    (
        "an order is taxed on its lines after the discount, and on its fees if at all",
        "select o.id::text from orders o
         cross join lateral (
             select coalesce(sum((t -> 'net' ->> 'amount')::bigint), 0) as net,
                 coalesce(sum((t -> 'tax' ->> 'amount')::bigint), 0) as tax
             from order_items i, json_array_elements(i.taxes) t
             where i.restaurant_id = o.restaurant_id and i.order_id = o.id) of_lines
         cross join lateral (
             select coalesce(sum(net), 0) as net, coalesce(sum(tax), 0) as tax
             from unnest(o.tax_nets, o.tax_amounts) as by_rate(net, tax)) whole
         cross join lateral (
             select of_lines.net + case when o.tax_total = 0 then of_lines.tax else 0 end as lines,
                 whole.net + case when o.tax_total = 0 then whole.tax else 0 end as everything) price
         where $1::json is not null and (whole.tax <> o.tax_total + o.tax_included or price.lines <> o.items_total - o.discount
             or price.everything - price.lines not in (0, o.delivery_fee + o.service_fee)
             or o.tax_rates <> array(select distinct rate from unnest(o.tax_rates) rate order by rate))",
    ),
    (
        "an order's lines add up to its items",
        "select o.id::text from orders o
         left join order_items i on i.restaurant_id = o.restaurant_id and i.order_id = o.id
         where $1::json is not null group by o.restaurant_id, o.id, o.items_total
         having coalesce(sum(i.line_total), 0) <> o.items_total or count(i.line) = 0
             or array_agg(i.line order by i.line) <> array(select generate_series(1, count(i.line))::smallint)",
    ),
    (
        "the ledger adds up to every stock",
        "select t.id::text from (
             select id, stock, (select coalesce(sum(delta), 0) from stock_ledger l where l.item_id = i.id) as written
             from menu_items i
             union all
             select id, stock, (select coalesce(sum(delta), 0) from stock_ledger l where l.modifier_id = m.id)
             from modifiers m) t
         where $1::json is not null and coalesce(t.stock, 0) <> t.written",
    ),
    (
        "an order took what its lines say and returned it once at most",
        "select l.order_id::text from stock_ledger l
         where $1::json is not null and l.order_id is not null
         group by l.order_id, l.item_id, l.modifier_id
         having sum(l.delta) > 0 or count(*) filter (where l.reason = 'SOLD') <> 1
             or count(*) filter (where l.reason = 'RETURNED') > 1",
    ),
    ("stock is never negative", "select id::text from menu_items where stock < 0 or $1::json is null"),
    (
        "an order's events are versions 1 to its own",
        "select o.id::text from orders o
         left join events e on e.aggregate = 'order' and e.aggregate_id = o.id
         where $1::json is not null group by o.id, o.version
         having array_agg(e.version order by e.seq) <> array(select generate_series(1, o.version))",
    ),
    (
        "an order walks along the table of steps, from PENDING to where it is",
        "select walk.id::text from (
             select e.aggregate_id as id, e.version, e.payload -> 'order' ->> 'status' as status,
                 lag(e.payload -> 'order' ->> 'status') over (partition by e.aggregate_id order by e.version) as before,
                 lead(e.version) over (partition by e.aggregate_id order by e.version) is null as last, o.status as now
             from events e join orders o on o.id = e.aggregate_id where e.aggregate = 'order') walk
         where (version = 1 and status <> 'PENDING') or (last and status <> now::text)
             or (version > 1 and not exists (
                 select from json_to_recordset($1::json) as step(start text, finish text)
                 where step.start = walk.before and step.finish = walk.status))",
    ),
    (
        "a delivery's events are versions 1 to its own",
        "select d.id::text from deliveries d
         left join events e on e.aggregate = 'delivery' and e.aggregate_id = d.id
         where $1::json is not null group by d.id, d.version
         having array_agg(e.version order by e.seq) <> array(select generate_series(1, d.version))",
    ),
    (
        "a driver carries one delivery at a time",
        "select driver_id::text from deliveries
         where closed_at is null and driver_id is not null and $1::json is not null
         group by driver_id having count(*) > 1",
    ),
    (
        "a delivery goes where its order goes",
        "select o.id::text from orders o
         left join deliveries d on d.restaurant_id = o.restaurant_id and d.order_id = o.id
         where $1::json is not null and (
             (o.fulfilment <> 'DELIVERY' and d.id is not null)
             or (o.fulfilment = 'DELIVERY' and o.status not in ('PENDING', 'CANCELLED') and d.id is null)
             or (o.status = 'ON_THE_WAY' and o.fulfilment = 'DELIVERY' and d.status not in ('PICKED_UP', 'FAILED'))
             or (o.status = 'DELIVERED' and o.fulfilment = 'DELIVERY' and d.status not in ('DELIVERED', 'FAILED'))
             or (o.status = 'CANCELLED' and d.status not in ('CANCELLED', 'FAILED')))",
    ),
    (
        "a cart became the order that names it",
        "select c.id::text from carts c
         full join orders o on o.restaurant_id = c.restaurant_id and o.cart_id = c.id
         where $1::json is not null and (c.status = 'ORDERED' or o.cart_id is not null)
             and (c.order_id is distinct from o.id or c.user_id is distinct from o.customer_id)",
    ),
    (
        "numbers of a day are called out from 1 without gap",
        "select restaurant_id::text from orders where $1::json is not null
         group by restaurant_id, day having max(number) <> count(*) or min(number) <> 1",
    ),
    (
        "a key that was kept names an order that exists",
        "select k.key from idempotency_keys k
         where $1::json is not null and k.operation = 'place_order' and (k.status is distinct from 201
             or (select count(*) from orders o join events e on e.aggregate_id = o.id and e.version = 1
                 where k.body is not null and o.customer_id = k.user_id
                   and convert_from(k.body, 'UTF8')::json ->> 'cartId' = e.payload -> 'order' ->> 'cartId') <> 1)",
    ),
];

/// Everything that is not in order, a line each.
pub async fn faults(database: &mut PgConnection) -> Vec<String> {
    let steps: Vec<_> = STEPS.iter().map(|step| json!({ "start": step.from, "finish": step.to })).collect();
    let mut faults = Vec::new();
    for (rule, question) in RULES {
        let broken: Vec<String> = sqlx::query_scalar(*question)
            .bind(sqlx::types::Json(&steps))
            .fetch_all(&mut *database)
            .await
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        faults.extend(broken.iter().map(|row| format!("{rule}: {row}")));
    }
    faults
}
