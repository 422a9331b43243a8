-- How much the lines of an order take in an answer, by which pages of orders are bounded.

alter table orders
    add column lines_size integer not null,
    add constraint orders_lines_size_not_negative check (lines_size >= 0);
comment on column orders.lines_size is 'About how many bytes its lines take in an answer; pages of orders are bounded by the sum.';
