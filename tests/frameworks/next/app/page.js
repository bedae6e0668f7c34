export default function Home() {
  return (
    <>
      <h1>The shop</h1>
      <p>Nothing on this page changes, so it can be revalidated.</p>
    </>
  );
}
