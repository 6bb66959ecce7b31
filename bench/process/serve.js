/** Answers the calls of the process that started this one. @param {Record<string, (...args: never[]) => unknown>} methods */
export function serve(methods) {
  process.on('message', ({ call, method, args }) => {
    void answer(methods[method], args).then((answered) => process.send({ call, ...answered }));
  });
  // The process that started this one has ended.
  process.on('disconnect', () => process.exit());
}

async function answer(method, args) {
  try {
    return { result: await method(...args) };
  } catch (error) {
    const { name, message, stack } = error;
    return { error: { name, message, stack } };
  }
}
