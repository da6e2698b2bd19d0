-- The log of this cluster begins.
SELECT eventbus.start_generation();
