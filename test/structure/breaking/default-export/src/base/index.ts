/** Breaks the rule: a thing without a name of its own, an enum, a namespace. */
export enum Colour {
  Red,
}
export namespace Inner {
  export const one = 1;
}
export default Colour;
