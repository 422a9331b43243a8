-- Carts of customers and guests. Several devices may write lines, some of them late: the latest write of each line
-- counts.

create type cart_status as enum ('OPEN', 'ORDERED');
comment on type cart_status is 'OPEN until an order is placed from it.';

create table carts (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- The owner: a user or a guest.
    user_id         uuid        references users on delete cascade,
    guest_id        uuid        references guests on delete cascade,
    status          cart_status not null default 'OPEN',
    version         bigint      not null default 1,
    -- The order that closed the cart.
    order_id        uuid,
    -- Lines written before that are ignored: the cart was replaced as a whole, or the cart before it was ordered. Null:
    -- never.
    replaced_at     timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,

    constraint carts_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint carts_id_key unique (id),
    constraint carts_one_owner check (num_nonnulls(user_id, guest_id) = 1),
    constraint carts_ordered_names_order check ((status = 'ORDERED') = (order_id is not null)),
    -- An order has a customer, so a guest's cart is ordered only after the guest has signed in.
    constraint carts_ordered_by_user check (guest_id is null or status = 'OPEN')
);
comment on table carts is 'The cart of one customer or guest at one restaurant.';
-- One open cart for each owner and restaurant.
create unique index carts_open_key on carts (user_id, restaurant_id) where status = 'OPEN';
create unique index carts_guest_open_key on carts (guest_id, restaurant_id) where status = 'OPEN';
create index carts_user_id_idx on carts (user_id);
-- When the user's last order was placed from a cart of the restaurant.
create index carts_ordered_idx on carts (user_id, restaurant_id, updated_at) where status = 'ORDERED';
create index carts_created_at_idx on carts (created_at);

create table cart_items (
    restaurant_id   uuid        not null,
    cart_id         uuid        not null,
    -- The client's key of the line, or one that the server generated.
    key             text        not null,
    -- Position in the cart.
    line            integer     not null,
    -- Null with quantity 0: the line was removed. The row is kept, so that an earlier write that arrives late does not
    -- restore the line.
    menu_item_id    uuid,
    quantity        integer     not null,
    -- [{"modifierId":"…","quantity":1,"modifiers":[…]}]
    choices         jsonb       not null default '[]',
    note            text,
    -- When it was last written, by the clock of the device that wrote it.
    at              timestamptz not null,

    constraint cart_items_pkey primary key (restaurant_id, cart_id, key),
    constraint cart_items_cart_fkey foreign key (restaurant_id, cart_id)
        references carts (restaurant_id, id) on delete cascade,
    -- An item of another restaurant cannot be stored.
    constraint cart_items_item_fkey foreign key (restaurant_id, menu_item_id)
        references menu_items (restaurant_id, id),
    constraint cart_items_key_length check (char_length(key) between 1 and 64),
    constraint cart_items_line_positive check (line >= 1),
    constraint cart_items_quantity_range check (quantity between 0 and 99),
    constraint cart_items_something_or_taken_out check ((quantity = 0) = (menu_item_id is null)),
    constraint cart_items_choices check (jsonb_typeof(choices) = 'array'),
    constraint cart_items_note_length check (char_length(note) <= 500)
);
comment on table cart_items is
    'The lines of a cart. Prices are not stored: those of the menu apply until the order is placed.';
create index cart_items_item_idx on cart_items (restaurant_id, menu_item_id);

alter table carts enable row level security;
alter table carts force row level security;
create policy own on carts
    using (user_id = app_user() or guest_id = app_guest())
    with check (user_id = app_user() or guest_id = app_guest());
-- On most managed servers the owner is not a superuser, so that row level security applies to it too. The application's
-- role is not a member of the owner's role, so this policy shows it no rows.
create policy audit on carts for select using (
    app_platform() and pg_has_role((select relowner from pg_class where oid = 'carts'::regclass), 'USAGE'));
comment on policy audit on carts is 'Lets the owner of the table check its consistency (src/check.rs).';

alter table cart_items enable row level security;
alter table cart_items force row level security;
create policy own on cart_items
    using (exists (
        select from carts c where c.restaurant_id = cart_items.restaurant_id and c.id = cart_items.cart_id
        and (c.user_id = app_user() or c.guest_id = app_guest())))
    with check (exists (
        select from carts c where c.restaurant_id = cart_items.restaurant_id and c.id = cart_items.cart_id
        and (c.user_id = app_user() or c.guest_id = app_guest())));

grant select, insert, update, delete on carts, cart_items to comanda_app;

create function delete_unverified_carts(person uuid) returns void language sql volatile as $$
    delete from carts where user_id = person;
$$;
comment on function delete_unverified_carts(uuid) is
    'Deletes the carts that somebody else may have created in the account before its owner verified the address.';

create function open_cart_of(
    person uuid, cart uuid,
    out restaurant uuid, out cart_version bigint, out items uuid[], out quantities integer[], out notes text[],
    out chosen jsonb[]
) language plpgsql volatile as $$
declare
    -- PL/pgSQL evaluates an assignment without a query plan, which perform needs.
    ignored boolean;
begin
    ignored := set_config('app.user', person::text, true) is null;
    select c.restaurant_id, c.version, lines.items, lines.quantities, lines.notes, lines.chosen
    into restaurant, cart_version, items, quantities, notes, chosen
    from carts c
    cross join lateral (
        select array_agg(i.menu_item_id) as items, array_agg(i.quantity) as quantities, array_agg(i.note) as notes,
            array_agg(i.choices) as chosen
        from (select l.menu_item_id, l.quantity, l.note, l.choices from cart_items l
              where l.restaurant_id = c.restaurant_id and l.cart_id = c.id and l.quantity > 0
              order by l.line, l.key) i) lines
    where c.id = cart and c.user_id = person and c.status = 'OPEN';
end $$;
comment on function open_cart_of(uuid, uuid) is
    'The content of a user''s open cart, its lines in their order; all null if the user has no such open cart. Sets the '
    'context of its statement, so that no transaction is needed to read it.';
grant execute on function open_cart_of(uuid, uuid) to comanda_app;
