-- How often in a row the worker of a delivery was gone: what takes its worker down with it is given up after a while, and one
-- that somebody has tried again begins to count anew.
-- This file is never edited once it has been released.

alter table synthex.notification_deliveries add column lost bigint not null default 0 check (lost >= 0);
comment on column synthex.notification_deliveries.lost is 'How many workers in a row were gone before they said what came of it.';
