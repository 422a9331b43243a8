-- Carts: what a customer means to order, kept on the server.

create type cart_status as enum ('OPEN', 'ORDERED');
comment on type cart_status is 'OPEN until an order is placed from it.';

create table carts (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    user_id         uuid        not null references users on delete cascade,
    status          cart_status not null default 'OPEN',
    version         bigint      not null default 1,
    -- The order that closed the cart.
    order_id        uuid,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint carts_pkey primary key (restaurant_id, id),
    -- An id names one cart wherever it is met.
    constraint carts_id_key unique (id),
    constraint carts_ordered_names_order check ((status = 'ORDERED') = (order_id is not null))
);
comment on table carts is 'A customer''s basket at one restaurant.';
-- One open cart a customer and restaurant.
create unique index carts_open_key on carts (user_id, restaurant_id) where status = 'OPEN';
create index carts_user_id_idx on carts (user_id);
create index carts_created_at_idx on carts (created_at);

create table cart_items (
    restaurant_id   uuid        not null,
    cart_id         uuid        not null,
    line            smallint    not null,
    menu_item_id    uuid        not null,
    quantity        integer     not null,
    note            text,

    constraint cart_items_pkey primary key (restaurant_id, cart_id, line),
    constraint cart_items_cart_fkey foreign key (restaurant_id, cart_id)
        references carts (restaurant_id, id) on delete cascade,
    -- The item is of the cart's restaurant: another restaurant's cannot even be stored.
    constraint cart_items_item_fkey foreign key (restaurant_id, menu_item_id)
        references menu_items (restaurant_id, id),
    constraint cart_items_line_range check (line between 1 and 100),
    constraint cart_items_quantity_range check (quantity between 1 and 99),
    constraint cart_items_note_length check (char_length(note) <= 500)
);
comment on table cart_items is 'The lines of a cart. Prices are never stored here: they are the menu''s until the order is placed.';
create index cart_items_item_idx on cart_items (restaurant_id, menu_item_id);

alter table carts enable row level security;
alter table carts force row level security;
create policy own on carts using (user_id = app_user()) with check (user_id = app_user());

alter table cart_items enable row level security;
alter table cart_items force row level security;
create policy own on cart_items
    using (exists (select from carts c where c.restaurant_id = cart_items.restaurant_id
                   and c.id = cart_items.cart_id and c.user_id = app_user()))
    with check (exists (select from carts c where c.restaurant_id = cart_items.restaurant_id
                        and c.id = cart_items.cart_id and c.user_id = app_user()));
