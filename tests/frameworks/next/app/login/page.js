'use client';
import { useActionState } from 'react';
import { logIn } from './actions.js';

export default function Page() {
  const [message, action] = useActionState(logIn, '');
  return (
    <form action={action}>
      <h1>Log in</h1>
      {message && <p role="alert">{message}</p>}
      <input name="name" />
      <input name="password" type="password" />
      <button type="submit">Log in</button>
    </form>
  );
}
