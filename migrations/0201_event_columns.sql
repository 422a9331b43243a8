-- Who carries a delivery after an event, and whether what the event is about has come to its end: columns, so that nobody
-- has to read them out of the stored body.

alter table events
    add column driver_id uuid,
    add column closed boolean not null default false;
comment on column events.driver_id is 'The driver who carries the delivery after the event; null for other events and where nobody does.';
comment on column events.closed is 'Whether the order or the delivery that the event is about has come to its end: from then on its driver sees no address in it.';
