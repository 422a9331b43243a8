-- Orders: what was bought, at the price of that moment, and how far it has come.

create type order_status as enum
    ('PENDING', 'CONFIRMED', 'PREPARING', 'READY', 'ON_THE_WAY', 'DELIVERED', 'CANCELLED');
comment on type order_status is 'Which change may follow which is in src/orders/status.rs, as data.';

create type fulfilment as enum ('DELIVERY', 'PICKUP', 'DINE_IN');
comment on type fulfilment is 'How the food reaches the guest.';

create type order_actor as enum ('CUSTOMER', 'STAFF', 'DRIVER', 'ADMIN', 'SYSTEM');
comment on type order_actor is 'In which capacity somebody changed an order.';

create table day_counters (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    day             date        not null,
    last_number     integer     not null,

    constraint day_counters_pkey primary key (restaurant_id, day),
    constraint day_counters_positive check (last_number > 0)
) with (fillfactor = 50);
comment on table day_counters is 'The number last called out on a restaurant''s local day.';

create table orders (
    restaurant_id   uuid        not null references restaurants,
    id              uuid        not null,
    customer_id     uuid        not null references users,
    cart_id         uuid,
    -- The restaurant's local day, and the number people call out on it.
    day             date        not null,
    number          integer     not null,
    fulfilment      fulfilment  not null,
    status          order_status not null,
    version         bigint      not null default 1,
    currency        char(3)     not null,
    items_total     bigint      not null,
    tax_total       bigint      not null,
    delivery_fee    bigint      not null,
    service_fee     bigint      not null,
    tip             bigint      not null,
    discount        bigint      not null,
    total           bigint      not null,
    -- Where to, for a delivery.
    address         text,
    latitude        double precision,
    longitude       double precision,
    -- Which table, for dine-in.
    dining_table    text,
    note            text,
    -- Until when the restaurant may let the order wait before the system cancels it.
    accept_by       timestamptz,
    promised_at     timestamptz,
    cancel_reason   text,
    placed_at       timestamptz not null,
    updated_at      timestamptz not null,
    -- Set when the order reaches its end. Partial indexes ask for this column and not for the status, so that a
    -- change of status does not touch an index (HOT updates).
    closed_at       timestamptz,
    created_at      timestamptz not null,

    constraint orders_pkey primary key (restaurant_id, id),
    -- An id names one order wherever it is met.
    constraint orders_id_key unique (id),
    -- A number is called out once a day.
    constraint orders_day_number_key unique (restaurant_id, day, number),
    -- A cart becomes one order at most.
    constraint orders_cart_key unique (restaurant_id, cart_id),
    constraint orders_amounts_not_negative check (items_total >= 0 and tax_total >= 0 and delivery_fee >= 0
        and service_fee >= 0 and tip >= 0 and discount >= 0 and total >= 0),
    constraint orders_total_adds_up
        check (total = items_total + tax_total + delivery_fee + service_fee + tip - discount),
    constraint orders_delivery_has_address
        check (fulfilment <> 'DELIVERY' or (address is not null and latitude is not null and longitude is not null)),
    constraint orders_dine_in_has_table check (fulfilment <> 'DINE_IN' or dining_table is not null),
    constraint orders_closed_at_the_end check ((status in ('DELIVERED', 'CANCELLED')) = (closed_at is not null)),
    constraint orders_cancelled_with_reason check (status <> 'CANCELLED' or cancel_reason is not null),
    constraint orders_version_positive check (version >= 1)
) with (fillfactor = 80);
comment on table orders is 'One order, snapshot of names and prices at placement; only its status, times and version change afterwards.';
create index orders_user_id_idx on orders (customer_id, placed_at desc, id desc);
create index orders_restaurant_id_idx on orders (restaurant_id, placed_at desc, id desc);
-- The kitchen's board: what is not finished.
create index orders_open_idx on orders (restaurant_id, placed_at) where closed_at is null;
-- What the system has to cancel if nobody answers.
create index orders_accept_by_idx on orders (accept_by) where closed_at is null and accept_by is not null;

create table order_items (
    restaurant_id   uuid        not null,
    order_id        uuid        not null,
    line            smallint    not null,
    menu_item_id    uuid        not null,
    name            text        not null,
    -- Minor units of the order's currency.
    unit_price      bigint      not null,
    quantity        integer     not null,
    line_total      bigint      not null,
    -- Portions taken from a counted stock; they return when the order is cancelled.
    stock_taken     integer     not null default 0,
    note            text,

    constraint order_items_pkey primary key (restaurant_id, order_id, line),
    constraint order_items_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    constraint order_items_quantity_range check (quantity between 1 and 99),
    constraint order_items_total_adds_up check (line_total = unit_price * quantity and unit_price >= 0),
    constraint order_items_stock_taken check (stock_taken in (0, quantity))
);
comment on table order_items is 'The lines of an order as they were sold.';

alter table day_counters enable row level security;
alter table day_counters force row level security;
create policy shop on day_counters
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
