-- Offline operations cost what the same requests would: a device whose user or network has used its rate limit up pauses.

alter table sync_devices
    -- No operation of the device is tried before then: the rate limit of its user or network is used up. Null: it may go on.
    add column paused_until timestamptz;
