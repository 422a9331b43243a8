-- Why a delivery was handed back, or why it failed: the restaurant has to read it to decide what comes next.

alter table deliveries
    add column reason text
        constraint deliveries_reason_length check (char_length(reason) between 1 and 500);
comment on column deliveries.reason is 'Why it was handed back (WAITING) or could not be handed over (FAILED), as the person who said so wrote it; null in every other status.';
comment on constraint deliveries_reason_length on deliveries is 'Between 1 and 500 characters.';
