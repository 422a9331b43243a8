-- Orders: lines, prices at placement, and status.

create type order_status as enum
    ('PENDING', 'CONFIRMED', 'PREPARING', 'READY', 'ON_THE_WAY', 'DELIVERED', 'CANCELLED');
comment on type order_status is 'The permitted changes are a table in src/orders/status.rs.';

create type fulfilment as enum ('DELIVERY', 'PICKUP', 'DINE_IN');
comment on type fulfilment is 'How the customer receives the order.';

create type order_actor as enum ('CUSTOMER', 'STAFF', 'DRIVER', 'ADMIN', 'SYSTEM');
comment on type order_actor is 'The capacity in which somebody changed an order.';

-- PostgreSQL reads the stored form of each check again in every statement that writes the table, so long expressions are
-- in functions.
create function sum_of(amounts bigint[]) returns bigint language plpgsql immutable parallel safe as $$
declare
    amount bigint;
    sum bigint := 0;
begin
    foreach amount in array amounts loop
        sum := sum + amount;
    end loop;
    return sum;
end $$;
comment on function sum_of(bigint[]) is 'The sum of the amounts; 0 if there are none.';

create table day_counters (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    day             date        not null,
    last_number     integer     not null,

    constraint day_counters_pkey primary key (restaurant_id, day),
    constraint day_counters_positive check (last_number > 0)
) with (fillfactor = 50);
comment on table day_counters is 'The last order number given on each local day of a restaurant.';

create table orders (
    restaurant_id   uuid        not null references restaurants,
    id              uuid        not null,
    customer_id     uuid        not null references users,
    -- The source of the order: a cart, a quote, both or neither.
    cart_id         uuid,
    quote_id        uuid,
    -- The restaurant's local day, and the order's number on it.
    day             date        not null,
    number          integer     not null,
    fulfilment      fulfilment  not null,
    status          order_status not null,
    version         bigint      not null default 1,

    -- Amounts in minor units.
    currency        char(3)     not null,
    items_total     bigint      not null,
    -- Tax added to the prices, and tax contained in them: one of the two is zero.
    tax_total       bigint      not null,
    tax_included    bigint      not null default 0,
    -- For each rate: the rate in millionths, the taxed amount without the tax, and the tax.
    tax_rates       integer[]   not null default '{}',
    tax_nets        bigint[]    not null default '{}',
    tax_amounts     bigint[]    not null default '{}',
    -- How its tax was rounded.
    tax_rounding    rounding_mode not null default 'HALF_UP',
    tax_rounding_level tax_rounding_level not null default 'LINE',
    delivery_fee    bigint      not null,
    service_fee     bigint      not null,
    tip             bigint      not null,
    discount        bigint      not null,
    coupon_code     text,
    total           bigint      not null,

    -- Of deliveries: the address, its zone when the order was placed, and the minutes from ready to the address.
    address         text,
    latitude        double precision,
    longitude       double precision,
    delivery_zone   text,
    lead_minutes    smallint    not null default 0,
    -- Of dine-in.
    dining_table    text,
    note            text,
    lines_size      integer     not null,

    -- The slot it was ordered for. Null: as soon as possible.
    scheduled_from  timestamptz,
    scheduled_until timestamptz,
    -- Start of the slot whose capacity it takes until it is cancelled: the one in which it is promised, if that is later
    -- than the one it was ordered for. Null: the restaurant had no capacity when it was placed.
    slot            timestamptz,
    -- The earliest and the latest time at which it can be ready: opening plus preparation, and closing. Null: no bound.
    ready_from      timestamptz,
    ready_until     timestamptz,
    -- When the system cancels an order that the restaurant has not accepted.
    accept_by       timestamptz,
    promised_at     timestamptz,
    -- Until when the customer may cancel: while PENDING the same as accept_by, after confirmation the end of the
    -- cancellation window. Null: not any more.
    cancellable_until timestamptz,
    cancel_reason   text,
    placed_at       timestamptz not null,
    updated_at      timestamptz not null,
    -- Set in the final statuses. Partial indexes use this column and not the status, so that a change of status touches
    -- no index (HOT updates).
    closed_at       timestamptz,
    created_at      timestamptz not null,

    constraint orders_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint orders_id_key unique (id),
    -- A number is unique within a day.
    constraint orders_day_number_key unique (restaurant_id, day, number),
    -- A cart becomes one order at most.
    constraint orders_cart_key unique (restaurant_id, cart_id),
    constraint orders_amounts_not_negative
        check (least(items_total, tax_total, delivery_fee, service_fee, tip, discount, total) >= 0),
    constraint orders_total_adds_up
        check (total = items_total + tax_total + delivery_fee + service_fee + tip - discount),
    constraint orders_tax_one_way check (tax_included >= 0 and (tax_total = 0 or tax_included = 0)),
    constraint orders_taxes_whole check (cardinality(tax_rates) = cardinality(tax_amounts)
        and cardinality(tax_nets) = cardinality(tax_amounts) and cardinality(tax_amounts) <= 8),
    constraint orders_taxes_add_up check (tax_total + tax_included = sum_of(tax_amounts)),
    constraint orders_delivery_has_address
        check (fulfilment <> 'DELIVERY' or (address is not null and latitude is not null and longitude is not null)),
    constraint orders_zone_of_a_delivery
        check (fulfilment = 'DELIVERY' or (delivery_zone is null and lead_minutes = 0)),
    constraint orders_dine_in_has_table check (fulfilment <> 'DINE_IN' or dining_table is not null),
    constraint orders_schedule_whole
        check ((scheduled_from is null) = (scheduled_until is null) and scheduled_until > scheduled_from),
    -- An order for a slot with a capacity uses that slot, or a later one in which it is promised.
    constraint orders_slot_of_schedule check (slot is null or scheduled_from is null or slot >= scheduled_from),
    constraint orders_closed_at_the_end check ((status in ('DELIVERED', 'CANCELLED')) = (closed_at is not null)),
    constraint orders_cancelled_with_reason check (status <> 'CANCELLED' or cancel_reason is not null),
    constraint orders_version_positive check (version >= 1),
    constraint orders_lines_size_not_negative check (lines_size >= 0)
) with (fillfactor = 80);
comment on table orders is
    'Orders with the names and prices at placement; afterwards only status, times and version change.';
comment on column orders.lines_size is
    'The approximate number of bytes of its lines in a response; pages of orders are limited by the sum.';
create index orders_user_id_idx on orders (customer_id, placed_at desc, id desc);
create index orders_restaurant_id_idx on orders (restaurant_id, placed_at desc, id desc);
-- The kitchen's board: orders that are not closed.
create index orders_open_idx on orders (restaurant_id, placed_at) where closed_at is null;
-- For the job that cancels orders which nobody accepts.
create index orders_accept_by_idx on orders (accept_by) where closed_at is null and accept_by is not null;
-- A quote becomes one order at most.
create unique index orders_quote_key on orders (restaurant_id, quote_id) where quote_id is not null;

create table order_items (
    restaurant_id   uuid        not null,
    order_id        uuid        not null,
    -- The customer of the order, so that the policy needs no subquery.
    customer_id     uuid        not null,
    line            smallint    not null,
    menu_item_id    uuid        not null,
    name            text        not null,
    -- The chosen modifiers with the names and prices at placement.
    modifiers       json        not null default '[]',
    -- Of the item with its modifiers.
    allergens       json        not null default '{"contains":[],"mayContain":[],"complete":false,"diets":[]}',
    -- Of the item with its modifiers; minor units of the order's currency.
    unit_price      bigint      not null,
    quantity        integer     not null,
    line_total      bigint      not null,
    -- The line's tax for each rate, after its part of any discount.
    taxes           json        not null default '[]',
    note            text,

    constraint order_items_pkey primary key (restaurant_id, order_id, line),
    constraint order_items_order_fkey foreign key (restaurant_id, order_id)
        references orders (restaurant_id, id) on delete cascade,
    constraint order_items_quantity_range check (quantity between 1 and 99),
    constraint order_items_total_adds_up check (line_total = unit_price * quantity and unit_price >= 0)
);
comment on table order_items is 'The lines of an order as they were sold.';

-- The policies of orders and of their lines are in the file of deliveries, because drivers see the orders they deliver.
alter table day_counters enable row level security;
alter table day_counters force row level security;
create policy shop on day_counters
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());

grant select, insert, update, delete on day_counters, orders, order_items to comanda_app;
