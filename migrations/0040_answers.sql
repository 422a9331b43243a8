-- How long an order may wait for its restaurant, and until when its customer may take it back.

alter table restaurants
    -- In minutes; null: as the configuration says (ORDER_ACCEPT_WITHIN).
    add column accept_minutes smallint,
    add constraint restaurants_accept_range check (accept_minutes between 1 and 120);

alter table orders
    -- While PENDING: until the restaurant has to answer; once confirmed: the end of the cancel window. Null: not any more.
    add column cancellable_until timestamptz;
update orders set cancellable_until = updated_at + interval '2 minutes' where status = 'CONFIRMED';
