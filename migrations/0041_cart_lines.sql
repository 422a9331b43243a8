-- Lines of a cart that several devices write, some of them late: of each line the latest write holds.

alter table carts
    -- Everything written before was replaced: by a cart that was put whole, or by the order that closed the cart before.
    add column replaced_at timestamptz;
-- When the last order was placed from a cart here.
create index carts_ordered_idx on carts (user_id, restaurant_id, updated_at) where status = 'ORDERED';

alter table cart_items
    -- What the client calls the line, or a name of the server's.
    add column key text,
    -- When it was last written, by the clock of whoever wrote it.
    add column at timestamptz;
update cart_items i set key = 'line-' || line, at = c.updated_at
    from carts c where c.restaurant_id = i.restaurant_id and c.id = i.cart_id;
alter table cart_items
    alter column key set not null,
    alter column at set not null,
    alter column line type integer,
    -- Quantity 0 with nothing else: it was taken out then. Kept, so that an earlier write that comes late does not bring it back.
    alter column menu_item_id drop not null,
    drop constraint cart_items_pkey,
    add constraint cart_items_pkey primary key (restaurant_id, cart_id, key),
    drop constraint cart_items_line_range,
    add constraint cart_items_line_positive check (line >= 1),
    drop constraint cart_items_quantity_range,
    add constraint cart_items_quantity_range check (quantity between 0 and 99),
    add constraint cart_items_something_or_taken_out check ((quantity = 0) = (menu_item_id is null)),
    add constraint cart_items_key_length check (char_length(key) between 1 and 64);
