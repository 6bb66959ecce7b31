/** E.164, and nothing that only looks like it. */
export const PHONE = /^\+[1-9]\d{6,14}$/;
