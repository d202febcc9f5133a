/** Layouts of what lies on disk: records of the log store, the watermark's slots, checkpoint files. */
export * from './records.js';
export * from './watermark-slot.js';
export * from './checkpoint-frames.js';
